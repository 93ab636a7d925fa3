// Copying the source of a conversion to its target, by several threads.
#ifndef BLOCK_TOOLS_IMG_CONVERT_JOB_H
#define BLOCK_TOOLS_IMG_CONVERT_JOB_H

#include "block/tools/common/progress.h"
#include "block/tools/img/convert-source.h"
#include "block/util/huge-memory.h"

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <span>

namespace tools::img {

// How the workers' writes follow each other. Reads always overlap with them.
enum class WriteOrder {
  serial,      // one at a time, ascending: the target is laid out the same each time
  overlapping, // begun in ascending order, several in flight: a driver that computes uses all cores
  free,        // in any order
};

struct ConvertPlan {
  const ConvertSource* source = nullptr;
  block::Node* target = nullptr;
  // The target reads as zeros from here on (bytes), so that zeros need no writing there.
  std::uint64_t target_zero_from = UINT64_MAX;
  std::uint64_t sparse_block = 4096; // bytes; runs of zeros in blocks of this size are not written
                                     // as data. 0 = write everything as data
  WriteOrder order = WriteOrder::serial;
  unsigned workers = 2;
  bool write_through = false;
  bool salvage = false;   // what cannot be read becomes zeros, with a warning
  std::uint64_t rate = 0; // bytes a second; 0 = as fast as possible
};

class ConvertJob {
public:
  ConvertJob(const ConvertPlan& plan, ProgressLine& progress) : plan_(plan), progress_(progress) {}

  // Copies everything. The first error ends the work; what was copied until then stays. Does not
  // flush.
  block::Result<void> run();

private:
  struct Piece {
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
    bool zero = false;        // no need to read
    std::uint64_t ticket = 0; // its turn among the writes
  };

  void work();
  block::Result<std::optional<Piece>> take_piece();
  block::Result<void> read_piece(const Piece& piece, std::span<std::byte> buffer) const;
  block::Result<void> write_piece(const Piece& piece, std::span<const std::byte> buffer) const;
  block::Result<void> write_data(std::uint64_t offset, std::span<const std::byte> data) const;
  block::Result<void> write_zeros(std::uint64_t offset, std::uint64_t bytes) const;
  bool wait_for_turn(std::uint64_t ticket);
  void end_turn();
  void throttle(std::uint64_t bytes);
  void fail(block::Error error);

  const ConvertPlan plan_;
  ProgressLine& progress_;

  std::mutex mutex_;
  std::condition_variable turn_changed_;
  // Guarded by mutex_:
  std::uint64_t next_offset_ = 0; // what has been handed out
  std::uint64_t run_end_ = 0;     // the run that next_offset_ lies in, if greater
  ConvertSource::Kind run_kind_ = ConvertSource::Kind::zero;
  std::uint64_t next_ticket_ = 0;
  std::uint64_t turn_ = 0;
  std::optional<block::Error> error_;
  std::chrono::steady_clock::time_point next_start_ = std::chrono::steady_clock::now(); // of rate
};

} // namespace tools::img

#endif
