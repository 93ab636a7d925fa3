// CopyJob: copies a source to a node with several threads.
#ifndef BLOCK_JOB_COPY_JOB_H
#define BLOCK_JOB_COPY_JOB_H

#include "block/job.h"
#include "block/job/copy-source.h"
#include "block/node.h"

namespace block {

// The order of the workers' writes. Reads always overlap with them.
enum class WriteOrder {
  serial,      // one at a time, ascending: the layout of the target is reproducible
  overlapping, // begun in ascending order, several in flight: hashing in the driver uses all cores
  free,        // in any order
};

struct CopyPlan {
  const CopySource* source = nullptr;
  Node* target = nullptr;
  // From this offset on the target already reads as zeros, so zeros are not written there.
  std::uint64_t target_zero_from = UINT64_MAX;
  std::uint64_t sparse_block = 4096; // bytes; runs of zeros in blocks of this size are not written
                                     // as data. 0 = write everything as data
  WriteOrder order = WriteOrder::serial;
  unsigned workers = 2; // threads, including the one that calls run()
  bool write_through = false;
};

// Progress is counted in bytes of the source: the furthest byte that has been copied, of its
// length. A pause or a cancel takes effect when the pieces in flight have been copied, at most one
// for each worker.
class CopyJob final : public Job {
public:
  // Source and target must outlive run().
  CopyJob(std::string id, std::string type, const CopyPlan& plan);

  // Copies everything and ends the job. The first error ends the work; data that was copied before
  // stays. Does not flush. Called once. Errors also: ECANCELED, if the job was cancelled.
  Result<void> run();

private:
  struct Piece {
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
    bool zero = false;        // the piece is zeros and need not be read
    std::uint64_t ticket = 0; // its number in the order of writes
    Clock::time_point start;  // not before, as speed() demands
  };

  void work();
  Result<void> copy(const Piece& piece, std::span<std::byte> buffer);
  Result<std::optional<Piece>> take_piece();
  Result<void> write_piece(const Piece& piece, std::span<const std::byte> buffer) const;
  Result<void> write_data(std::uint64_t offset, std::span<const std::byte> data) const;
  Result<void> write_zeros(std::uint64_t offset, std::uint64_t bytes) const;
  bool wait_for_turn(std::uint64_t ticket);
  void end_turn();
  void copied(const Piece& piece);
  void fail(Error error);

  const CopyPlan plan_;

  std::mutex mutex_;
  std::condition_variable turn_changed_;
  // Guarded by mutex_:
  std::uint64_t next_offset_ = 0; // everything before it was handed out
  std::uint64_t run_end_ = 0;     // end of the run of next_offset_, if greater than next_offset_
  CopySource::Kind run_kind_ = CopySource::Kind::zero;
  std::uint64_t next_ticket_ = 0;
  std::uint64_t turn_ = 0;
  std::uint64_t copied_to_ = 0;    // the furthest end of a piece that was copied
  Clock::time_point next_start_{}; // when the next piece may begin
  std::optional<Error> error_;
};

} // namespace block

#endif
