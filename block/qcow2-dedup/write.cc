// The deduplicating write path: takes the guest clusters and works the request off in pieces.
#include "block/qcow2-dedup/write.h"

#include "block/qcow2-dedup/write-request.h"

#include <algorithm>

namespace qcow2_dedup {
namespace {

// Bytes of one piece, or one cluster: bounds memory and the time under the metadata lock, and is
// enough for large writes.
constexpr std::uint64_t piece_bytes = 1u << 20;

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
  std::uint64_t most = std::max(piece_bytes, size.bytes());
  for (std::uint64_t done = 0; done < vector.size();) {
    GuestOffset at = offset + done;
    std::uint64_t bytes = std::min(most - at.value() % most, vector.size() - done);
    block::IoVector piece = vector.slice(done, bytes);
    BLOCK_TRY(WriteRequest(dedup).write(at, piece));
    done += bytes;
  }
  return {};
}

} // namespace qcow2_dedup
