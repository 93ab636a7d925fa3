// The deduplicating write path: takes the guest clusters and works the request off in pieces.
#include "block/qcow2-dedup/write.h"

#include "block/qcow2-dedup/write-request.h"

#include <algorithm>
#include <memory>

namespace qcow2_dedup {
namespace {

// Bytes of one piece, or one cluster: bounds memory and the time under the metadata lock, and is
// enough for large writes.
constexpr std::uint64_t piece_bytes = 1u << 20;
// Of a request that nobody else competes with: while a piece is written, the helper hashes the next
// one. This is enough to outlast the helper's waking.
constexpr std::uint64_t small_piece_bytes = 256u << 10;

// The greatest that the first piece and the later ones may be.
struct PieceBounds {
  std::uint64_t first;
  std::uint64_t later;
};

PieceBounds piece_bounds(qcow2::Disk& disk, bool alone) {
  std::uint64_t cluster = disk.cluster_size().bytes();
  std::uint64_t large = std::max(piece_bytes, cluster);
  std::uint64_t small = std::max(small_piece_bytes, dedup::HashHelper::batch_clusters * cluster);
  std::uint64_t first = alone ? std::min(small, large) : large;
  // Without the page cache each piece waits for the disk: two are enough then.
  return {first, disk.image.file().node().cache_direct() ? large : first};
}

} // namespace

Result<void> write(Deduplicator& dedup, GuestOffset offset, const block::IoVector& vector) {
  qcow2::Disk& disk = dedup.disk;
  block::ClusterSize size = disk.cluster_size();
  auto range = qcow2::ClusterRange::touched(size, offset, vector.size());
  block::RangeLock::Guard taken(disk.requests, range.first.value(), range.end.value(),
                                block::RangeLock::Mode::exclusive);
  dedup.counters().written_bytes.add(vector.size());
  if (dedup.paused()) {
    BLOCK_TRY(qcow2::write_taken(disk, offset, vector));
    // Without deduplication every cluster of the range is a cluster written.
    dedup.count_stored(range.count());
    return {};
  }
  PieceBounds bounds = piece_bounds(disk, taken.alone());
  std::uint64_t gathered = 0;
  const auto next_piece = [&](std::uint64_t most) -> Result<std::unique_ptr<WriteRequest>> {
    if (gathered == vector.size()) return std::unique_ptr<WriteRequest>();
    GuestOffset at = offset + gathered;
    std::uint64_t bytes = std::min(most - at.value() % most, vector.size() - gathered);
    auto piece = std::make_unique<WriteRequest>(dedup);
    BLOCK_TRY(piece->gather(at, vector.slice(gathered, bytes)));
    gathered += bytes;
    return piece;
  };
  BLOCK_TRY_ASSIGN(auto piece, next_piece(bounds.first));
  while (piece) {
    piece->fingerprint();
    BLOCK_TRY_ASSIGN(auto next, next_piece(bounds.later));
    if (next && taken.alone()) next->hash_ahead();
    BLOCK_TRY(piece->work_off());
    piece = std::move(next);
  }
  return {};
}

} // namespace qcow2_dedup
