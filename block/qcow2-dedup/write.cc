// The deduplicating write path: locks the guest clusters and processes the request in pieces.
#include "block/qcow2-dedup/write.h"

#include "block/qcow2-dedup/write-request.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <thread>

namespace qcow2_dedup {
namespace {

// Bytes of one piece: bounds memory and the time under the metadata lock, and is large enough for
// large writes.
constexpr std::uint64_t piece_bytes = 1u << 20;
// Bytes of a piece that is hashed while the piece before is written: its hashing takes longer than
// waking the hash thread.
constexpr std::uint64_t small_piece_bytes = 256u << 10;

// A deduplicated write in flight. Process-wide count. If another deduplicated write is running,
// assume that no core is idle.
class UnderWay {
public:
  UnderWay() : alone_(count_.fetch_add(1) == 0) {}
  ~UnderWay() { count_.fetch_sub(1); }
  UnderWay(const UnderWay&) = delete;
  UnderWay& operator=(const UnderWay&) = delete;

  // Returns whether no other write was in flight at its start.
  bool alone() const { return alone_; }

private:
  static inline std::atomic<unsigned> count_{0};
  const bool alone_;
};

// A request, piece by piece.
class Pieces {
public:
  Pieces(block::ClusterSize size, GuestOffset offset, const block::IoVector& vector)
      : size_(size), offset_(offset), vector_(vector) {}

  bool more() const { return done_ < vector_.size(); }
  // Gathers the clusters of the next piece, up to a multiple of `most` bytes, or one cluster.
  Result<void> gather_next(WriteRequest& piece, std::uint64_t most) {
    most = std::max(most, size_.bytes());
    GuestOffset at = offset_ + done_;
    block::IoVector part =
        vector_.slice(done_, std::min(most - at.value() % most, vector_.size() - done_));
    done_ += part.size();
    return piece.gather(at, part);
  }

private:
  const block::ClusterSize size_;
  const GuestOffset offset_;
  const block::IoVector& vector_;
  std::uint64_t done_ = 0;
};

Result<void> write_in_turn(Deduplicator& dedup, qcow2::Disk& disk, Pieces pieces) {
  while (pieces.more()) {
    WriteRequest piece(dedup, disk);
    BLOCK_TRY(pieces.gather_next(piece, piece_bytes));
    piece.fingerprint();
    BLOCK_TRY(piece.work_off());
  }
  return {};
}

// Hashes the next piece while the present one is written. Gathering the next piece may fail; then
// the present piece is not written either.
Result<void> write_overlapping(Deduplicator& dedup, qcow2::Disk& disk, Pieces pieces,
                               std::uint64_t first, std::uint64_t later) {
  auto piece = std::make_unique<WriteRequest>(dedup, disk);
  BLOCK_TRY(pieces.gather_next(*piece, first));
  while (piece) {
    piece->fingerprint();
    std::unique_ptr<WriteRequest> next;
    if (pieces.more()) {
      next = std::make_unique<WriteRequest>(dedup, disk);
      BLOCK_TRY(pieces.gather_next(*next, later));
      next->hash_ahead();
    }
    BLOCK_TRY(piece->work_off());
    piece = std::move(next);
  }
  return {};
}

bool likely_has_idle_core(const UnderWay& write) {
  static const bool several_cores = std::thread::hardware_concurrency() > 1;
  return several_cores && write.alone();
}

} // namespace

Result<void> write(Deduplicator& dedup, qcow2::Disk& disk, GuestOffset offset,
                   const block::IoVector& vector) {
  block::ClusterSize size = disk.cluster_size();
  auto range = qcow2::ClusterRange::touched(size, offset, vector.size());
  block::RangeLock::Guard taken(disk.requests, range.first.value(), range.end.value(),
                                block::RangeLock::Mode::exclusive);
  dedup.counters().written_bytes.add(vector.size());
  if (dedup.paused()) {
    BLOCK_TRY(qcow2::write_taken(disk, offset, vector));
    // Without deduplication every cluster of the range is written.
    dedup.count_stored(range.count());
    return {};
  }
  UnderWay mine;
  Pieces pieces(size, offset, vector);
  // A batch of fewer clusters is not hashed as fast.
  std::uint64_t small =
      std::max(small_piece_bytes, dedup::HashHelper::batch_clusters * size.bytes());
  if (small > piece_bytes || vector.size() < 2 * small || !likely_has_idle_core(mine))
    return write_in_turn(dedup, disk, pieces);
  // Without the page cache each piece waits for the disk, so the pieces are larger.
  bool direct = disk.image.file().node().cache_direct();
  return write_overlapping(dedup, disk, pieces, small, direct ? piece_bytes : small);
}

} // namespace qcow2_dedup
