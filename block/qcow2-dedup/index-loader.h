// IndexLoader: fills the index from the dedup table. A small table is loaded at once, the rest of a
// larger one in the background.
#ifndef BLOCK_QCOW2_DEDUP_INDEX_LOADER_H
#define BLOCK_QCOW2_DEDUP_INDEX_LOADER_H

#include "block/qcow2-dedup/deduplicator.h"

#include <atomic>
#include <functional>
#include <span>
#include <thread>
#include <vector>

namespace qcow2_dedup {

// The destructor stops the thread, finished or not, and joins it. The deduplicator must outlive the
// loader.
class IndexLoader {
public:
  // `done` is called once the index is complete, on either thread. It is not called if the loader
  // is destroyed before.
  IndexLoader(Deduplicator& dedup, std::function<void()> done);
  ~IndexLoader();
  // Loads the first hash blocks, which takes a few milliseconds. So short-lived tools find the
  // content of a small image. Starts a thread that loads the rest while requests are served. Call
  // it once.
  void start();

private:
  struct Found {
    dedup::Fingerprint fingerprint;
    HostCluster cluster;
  };

  static constexpr std::uint64_t blocks_at_once = 16;
  static constexpr std::uint64_t blocks_in_batch = 16; // 1 MiB of entries
  // Bounds how long a request waits for the metadata lock.
  static constexpr std::size_t entries_per_lock = 1024;

  // Loads the blocks [index, end). Returns true if the table ends there.
  bool load(std::uint64_t index, std::uint64_t end);
  void finish();
  void read_block(std::uint64_t index, std::vector<Found>& found);
  void insert(std::span<const Found> found);

  Deduplicator& dedup_;
  std::function<void()> done_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

} // namespace qcow2_dedup

#endif
