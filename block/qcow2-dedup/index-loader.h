// IndexLoader: fills the index from the dedup table in the background, while requests are served.
#ifndef BLOCK_QCOW2_DEDUP_INDEX_LOADER_H
#define BLOCK_QCOW2_DEDUP_INDEX_LOADER_H

#include "block/qcow2-dedup/deduplicator.h"

#include <atomic>
#include <functional>
#include <thread>

namespace qcow2_dedup {

// Starts a thread at construction and joins it at destruction, finished or not. The deduplicator
// outlives it.
class IndexLoader {
public:
  // `done` is called on the thread once the index is complete; not if the loader is destroyed
  // before.
  IndexLoader(Deduplicator& dedup, std::function<void()> done);
  ~IndexLoader();

private:
  void run(const std::function<void()>& done);
  void load_block(std::uint64_t index);

  Deduplicator& dedup_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

} // namespace qcow2_dedup

#endif
