// Reading: looks the whole request up first, then reads from the file or from the backing file, or
// returns zeros.
#include "block/qcow2/disk.h"

#include <algorithm>

namespace qcow2 {
namespace {

struct Piece {
  GuestOffset guest;
  MappedRange range;
};

Result<std::vector<Piece>> look_up(Disk& disk, GuestOffset offset, std::uint64_t bytes) {
  std::vector<Piece> pieces;
  auto metadata = disk.image.lock();
  for (GuestOffset at = offset, end = offset + bytes; at < end;) {
    BLOCK_TRY_ASSIGN(MappedRange range, disk.mapping(metadata).range(at, end - at));
    // A range ends with its L2 table, but the next one may continue it.
    if (!pieces.empty() && pieces.back().range.continued_by(range))
      pieces.back().range.bytes += range.bytes;
    else
      pieces.push_back({at, range});
    at += range.bytes;
  }
  metadata->trim_caches();
  return pieces;
}

Result<void> read_backing(HostFile& file, block::Node& backing, GuestOffset offset,
                          const IoVector& vector) {
  BLOCK_TRY_ASSIGN(std::uint64_t end, backing.co_get_length());
  std::uint64_t available =
      offset.value() < end ? std::min(end - offset.value(), vector.size()) : 0;
  if (available < vector.size()) vector.fill(available, vector.size() - available, std::byte{0});
  if (available == 0) return {};
  file.event(block::DebugEvent::read_backing_aio);
  Result<void> done = backing.co_readv(offset.value(), vector.slice(0, available));
  if (done) return {};
  // An error of the backing file never means that this image is corrupt.
  return Error(ErrorKind::io, done.error().errno_value(), done.error().message())
      .context("backing file");
}

// The facts about the content must be dropped. If the guest writes the same content again, it must
// not be found as stored already.
void forget_unreadable(Disk& disk, HostOffset offset, std::uint64_t bytes) {
  ClusterSize size = disk.cluster_size();
  auto metadata = disk.image.lock();
  if (ContentEvents* events = metadata->content_events())
    events->content_unreadable(metadata, size.containing(offset),
                               size.clusters_for(size.within(offset) + bytes));
}

Result<void> read_data(Disk& disk, HostOffset offset, const IoVector& vector) {
  disk.image.file().event(block::DebugEvent::read_aio);
  Result<void> done = disk.image.data().read(offset, vector);
  if (!done) forget_unreadable(disk, offset, vector.size());
  return done;
}

} // namespace

Result<void> read_taken(Disk& disk, GuestOffset offset, const IoVector& vector) {
  BLOCK_TRY_ASSIGN(std::vector<Piece> pieces, look_up(disk, offset, vector.size()));
  for (const auto& [guest, range] : pieces) {
    IoVector target = pieces.size() == 1 ? vector : vector.slice(guest - offset, range.bytes);
    if (range.kind == MappedRange::Kind::data) {
      BLOCK_TRY(read_data(disk, *range.host, target));
    } else if (range.kind == MappedRange::Kind::unallocated && disk.backing()) {
      BLOCK_TRY(read_backing(disk.image.file(), *disk.backing(), guest, target));
    } else {
      target.fill(0, range.bytes, std::byte{0});
    }
  }
  return {};
}

Result<void> read(Disk& disk, GuestOffset offset, const IoVector& vector) {
  ClusterRange range = ClusterRange::touched(disk.cluster_size(), offset, vector.size());
  block::RangeLock::Guard taken(disk.requests, range.first.value(), range.end.value(),
                                block::RangeLock::Mode::shared);
  return read_taken(disk, offset, vector);
}

Result<void> read_and_join(Disk& disk, GuestCluster cluster, GuestOffset offset,
                           const IoVector& vector, std::span<std::byte> whole_cluster) {
  ClusterSize size = disk.cluster_size();
  GuestOffset start = size.start(cluster);
  // The last cluster may reach beyond the end of the disk; that part is zeros.
  std::uint64_t on_disk = std::min(size.bytes(), disk.guest_size() - start.value());
  GuestOffset new_begin = std::max(offset, start);
  GuestOffset new_end = std::min(offset + vector.size(), start + size.bytes());
  std::uint64_t head = new_begin - start;
  std::uint64_t tail = new_end - start;
  disk.image.file().event(block::DebugEvent::cow_read);
  if (head > 0) BLOCK_TRY(read_taken(disk, start, IoVector(whole_cluster.data(), head)));
  if (tail < on_disk)
    BLOCK_TRY(read_taken(disk, new_end, IoVector(whole_cluster.data() + tail, on_disk - tail)));
  std::fill(whole_cluster.begin() + static_cast<std::ptrdiff_t>(std::max(tail, on_disk)),
            whole_cluster.end(), std::byte{0});
  vector.copy_to(new_begin - offset, whole_cluster.subspan(head, tail - head));
  return {};
}

} // namespace qcow2
