// Copies the source of a conversion to its target with several threads.
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

// The order of the workers' writes. Reads always overlap with them.
enum class WriteOrder {
  serial,      // one at a time, ascending: the layout of the target is reproducible
  overlapping, // begun in ascending order, several in flight: hashing in the driver uses all cores
  free,        // in any order
};

struct ConvertPlan {
  const ConvertSource* source = nullptr;
  block::Node* target = nullptr;
  // From this offset on the target already reads as zeros, so zeros are not written there.
  std::uint64_t target_zero_from = UINT64_MAX;
  std::uint64_t sparse_block = 4096; // bytes; runs of zeros in blocks of this size are not written
                                     // as data. 0 = write everything as data
  WriteOrder order = WriteOrder::serial;
  unsigned workers = 2;
  bool write_through = false;
  bool salvage = false;   // unreadable data becomes zeros, with a warning
  std::uint64_t rate = 0; // bytes per second; 0 = no limit
};

class ConvertJob {
public:
  ConvertJob(const ConvertPlan& plan, ProgressLine& progress) : plan_(plan), progress_(progress) {}

  // Copies the whole source. The first error ends the work; data that was copied before stays. Does
  // not flush.
  block::Result<void> run();

private:
  struct Piece {
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
    bool zero = false;        // the piece is zeros and need not be read
    std::uint64_t ticket = 0; // its number in the order of writes
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
  std::uint64_t next_offset_ = 0; // everything before it was handed out
  std::uint64_t run_end_ = 0;     // end of the run of next_offset_, if greater than next_offset_
  ConvertSource::Kind run_kind_ = ConvertSource::Kind::zero;
  std::uint64_t next_ticket_ = 0;
  std::uint64_t turn_ = 0;
  std::optional<block::Error> error_;
  std::chrono::steady_clock::time_point next_start_ = std::chrono::steady_clock::now(); // of rate
};

} // namespace tools::img

#endif
