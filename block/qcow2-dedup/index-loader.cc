// IndexLoader: one hash block at a time, read without the metadata lock.
#include "block/qcow2-dedup/index-loader.h"

namespace qcow2_dedup {

using block::MutexGuard;

IndexLoader::IndexLoader(Deduplicator& dedup, std::function<void()> done)
    : dedup_(dedup), done_(std::move(done)) {
  if (load(0, blocks_at_once)) {
    finish();
    return;
  }
  thread_ = std::thread([this] {
    if (load(blocks_at_once, UINT64_MAX)) finish();
  });
}

IndexLoader::~IndexLoader() {
  stop_ = true;
  if (thread_.joinable()) thread_.join();
}

void IndexLoader::finish() {
  dedup_.set_index_loaded();
  done_();
}

bool IndexLoader::load(std::uint64_t index, std::uint64_t at_most) {
  for (; at_most > 0 && !stop_; ++index, --at_most) {
    {
      MutexGuard hold(dedup_.disk.image.metadata_mutex);
      if (index >= dedup_.table().block_count()) return true;
    }
    load_block(index);
  }
  return false;
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
