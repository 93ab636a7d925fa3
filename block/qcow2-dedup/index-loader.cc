// IndexLoader: batches of hash blocks, read without the metadata lock.
#include "block/qcow2-dedup/index-loader.h"

#include <algorithm>
#include <system_error>

namespace qcow2_dedup {

IndexLoader::IndexLoader(Deduplicator& dedup, std::function<void()> done)
    : dedup_(dedup), done_(std::move(done)) {}

void IndexLoader::start() {
  if (load(0, blocks_at_once)) {
    finish();
    return;
  }
  const auto load_rest = [this] {
    if (load(blocks_at_once, UINT64_MAX)) finish();
  };
  try {
    thread_ = std::thread(load_rest);
  } catch (const std::system_error&) {
    load_rest(); // no thread available: opening takes longer
  }
}

IndexLoader::~IndexLoader() {
  stop_ = true;
  if (thread_.joinable()) thread_.join();
}

void IndexLoader::finish() {
  dedup_.set_index_loaded();
  done_();
}

bool IndexLoader::load(std::uint64_t index, std::uint64_t end) {
  while (index < end && !stop_) {
    std::uint64_t blocks;
    {
      auto metadata = dedup_.image.lock();
      blocks = std::min(end, dedup_.table(metadata).block_count());
    }
    if (index >= blocks) return true;
    // A batch in the order of the index walks through the index's memory once instead of accessing
    // it at random.
    std::vector<Found> found;
    for (std::uint64_t stop = std::min(blocks, index + blocks_in_batch); index < stop; ++index)
      read_block(index, found);
    std::ranges::sort(found, {}, [](const Found& each) { return each.fingerprint.prefix48(); });
    insert(found);
  }
  return false;
}

// The block may change in memory while it is read from the file. Then the index gets entries that
// the table contradicts. That does no harm, because every candidate is confirmed against the table.
// Entries that are new since the start are in the index already.
void IndexLoader::read_block(std::uint64_t index, std::vector<Found>& found) {
  HostOffset place;
  {
    auto metadata = dedup_.image.lock();
    place = dedup_.table(metadata).block_place(index);
  }
  if (place == HostOffset()) return;
  block::AlignedBuffer memory(hash_block_bytes);
  // The clusters of an unreadable block are not shared.
  if (!dedup_.image.file().read(place, memory.span())) return;
  ConstHashBlock hash_block(memory.data(), hash_block_bytes);
  if (!check_block_end(hash_block)) return;
  for (std::size_t slot = 0; slot < entries_per_block; ++slot) {
    Entry entry = load_entry(hash_block, slot);
    if (!entry.empty()) found.push_back({entry.fingerprint, cluster_at(index, slot)});
  }
}

void IndexLoader::insert(std::span<const Found> found) {
  while (!found.empty()) {
    auto metadata = dedup_.image.lock();
    std::span<const Found> now = found.first(std::min(found.size(), entries_per_lock));
    for (const Found& each : now)
      if (!dedup_.table(metadata).is_waiting(each.cluster))
        dedup_.index(metadata).insert(each.fingerprint, each.cluster);
    found = found.subspan(now.size());
  }
}

} // namespace qcow2_dedup
