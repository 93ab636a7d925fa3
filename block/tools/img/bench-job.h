// BenchJob: requests of one size at ascending offsets, several in flight, with flushes between
// them.
#ifndef BLOCK_TOOLS_IMG_BENCH_JOB_H
#define BLOCK_TOOLS_IMG_BENCH_JOB_H

#include "block/node.h"
#include "block/util/huge-memory.h"

#include <condition_variable>
#include <mutex>
#include <optional>
#include <span>

namespace tools::img {

struct BenchPlan {
  block::Node* node = nullptr;
  std::uint64_t length = 0; // bytes of the disk; requests that reach it go on at offset 0
  bool write = false;
  std::uint64_t count = 75000; // requests
  unsigned depth = 64;         // requests in flight, each on its own thread; at least 1
  std::uint64_t request_bytes = 4096;
  std::uint64_t step_bytes = 4096;  // distance of the offsets of two requests
  std::uint64_t first_offset = 0;   // bytes
  std::byte pattern{0};             // the byte that is written
  std::uint64_t flush_interval = 0; // requests between two flushes; 0 = no flush
  bool drain = true; // a flush waits for the requests in flight, and holds back the next ones
};

class BenchJob {
public:
  explicit BenchJob(const BenchPlan& plan) : plan_(plan), next_offset_(plan.first_offset) {}

  // Runs all requests and waits for them. The first error ends the job.
  block::Result<void> run();

private:
  struct Turn {
    std::uint64_t offset = 0;
    bool flush_after = false;
  };

  // `buffer`: as long as one request.
  void work(std::span<std::byte> buffer);
  std::optional<Turn> take_turn();
  block::Result<void> request(std::uint64_t offset, std::span<std::byte> buffer) const;
  // Called when a request and its flush, if it has one, have ended.
  void finish(block::Result<void> done);
  block::Result<void> flush();

  const BenchPlan plan_;
  std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by mutex_:
  std::uint64_t next_offset_;
  std::uint64_t sent_ = 0;
  unsigned in_flight_ = 0;
  bool flushing_ = false; // set with drain: no request may begin
  std::optional<block::Error> error_;
};

} // namespace tools::img

#endif
