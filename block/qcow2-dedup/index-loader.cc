// IndexLoader: one hash block at a time, read without the metadata lock.
#include "block/qcow2-dedup/index-loader.h"

namespace qcow2_dedup {

using block::MutexGuard;

IndexLoader::IndexLoader(Deduplicator& dedup, std::function<void()> done)
    : dedup_(dedup), thread_([this, done = std::move(done)] { run(done); }) {}

IndexLoader::~IndexLoader() {
  stop_ = true;
  thread_.join();
}

void IndexLoader::run(const std::function<void()>& done) {
  for (std::uint64_t index = 0; !stop_; ++index) {
    {
      MutexGuard hold(dedup_.disk.image.metadata_mutex);
      if (index >= dedup_.table().block_count()) break;
    }
    load_block(index);
  }
  if (stop_) return;
  dedup_.set_index_loaded();
  done();
}

// The block may change in memory while it is read from the file. Then the index gets entries that
// the table contradicts, which does no harm: every candidate is confirmed against the table. What
// is new since the start is in the index already.
void IndexLoader::load_block(std::uint64_t index) {
  HostOffset place;
  {
    MutexGuard hold(dedup_.disk.image.metadata_mutex);
    place = dedup_.table().block_place(index);
  }
  if (place == HostOffset()) return;
  block::AlignedBuffer memory(hash_block_bytes);
  // An unreadable block means that its clusters are not shared.
  if (!dedup_.disk.image.file().read(place, memory.span())) return;
  ConstHashBlock block(memory.data(), hash_block_bytes);
  MutexGuard hold(dedup_.disk.image.metadata_mutex);
  DedupTable& table = dedup_.table();
  const qcow2::Table* cached = table.cached_block(index);
  if (cached) block = ConstHashBlock(cached->bytes().data(), hash_block_bytes);
  for (std::size_t slot = 0; slot < entries_per_block; ++slot) {
    HostCluster cluster = cluster_at(index, slot);
    Entry entry = load_entry(block, slot);
    if (!entry.empty() && !table.is_waiting(cluster))
      dedup_.index().insert(entry.fingerprint, cluster);
  }
}

} // namespace qcow2_dedup
