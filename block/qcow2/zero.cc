// Zero entries and discards: clusters that need no data.
#include "block/util/zero.h"
#include "block/qcow2/disk.h"

#include <algorithm>
#include <array>

namespace qcow2 {
namespace {

using block::RangeLock;

// At most this many clusters are changed under one hold of the lock.
constexpr std::uint64_t piece_clusters = 64 * 1024;

// Returns whether a cluster reads as zeros outside a range within it.
Result<bool> rest_reads_as_zeros(Disk& disk, GuestCluster cluster, GuestOffset offset,
                                 std::uint64_t bytes) {
  GuestOffset begin = disk.cluster_size().start(cluster);
  GuestOffset end = std::min(begin + disk.cluster_size().bytes(), GuestOffset(disk.guest_size()));
  block::AlignedBuffer rest(disk.cluster_size().bytes());
  for (auto [first, last] : {std::pair(begin, offset), std::pair(offset + bytes, end)}) {
    if (first >= last) continue;
    std::span<std::byte> part = rest.span().first(last - first);
    BLOCK_TRY(read_taken(disk, first, IoVector(part.data(), part.size())));
    if (!block::buffer_is_zero(part)) return false;
  }
  return true;
}

// Makes a part of one cluster read as zeros. Stores no data if the cluster has none so far and the
// rest reads as zeros.
Result<void> zero_part(Disk& disk, GuestOffset offset, std::uint64_t bytes) {
  GuestCluster cluster = disk.cluster_size().containing(offset);
  BLOCK_TRY_ASSIGN(MappedRange range, [&] {
    auto metadata = disk.image.lock();
    return disk.mapping(metadata).range(offset, bytes);
  }());
  const bool unallocated = range.kind == MappedRange::Kind::unallocated;
  if (range.kind == MappedRange::Kind::zeros || (unallocated && !disk.backing())) return {};
  if (unallocated) {
    // Storing data would require reading the rest from the backing file as well.
    BLOCK_TRY_ASSIGN(bool zeros, rest_reads_as_zeros(disk, cluster, offset, bytes));
    if (zeros) return zero_clusters(disk, cluster, 1, true);
  }
  static const std::array<std::byte, 64 * 1024> zeros{};
  for (std::uint64_t done = 0; done < bytes;) {
    std::uint64_t piece = std::min<std::uint64_t>(zeros.size(), bytes - done);
    BLOCK_TRY(write_taken(disk, offset + done, IoVector(zeros.data(), piece)));
    done += piece;
  }
  return {};
}

// Calls change(cluster, old entry) for each cluster, in pieces, under the metadata lock.
template <typename Change>
Result<void> change_clusters(Disk& disk, GuestCluster first, std::uint64_t clusters,
                             Change change) {
  for (std::uint64_t done = 0; done < clusters;) {
    BLOCK_TRY(disk.image.begin_change());
    std::uint64_t end = std::min(clusters, done + piece_clusters);
    auto metadata = disk.image.lock();
    for (; done < end; ++done) {
      BLOCK_TRY_ASSIGN(L2Entry old, disk.mapping(metadata).entry(first + done));
      BLOCK_TRY_ASSIGN(L2Entry now, change(old));
      if (now == old) continue;
      BLOCK_TRY(replace_entry(metadata, disk, first + done, now, DropCause::request));
    }
    metadata->trim_caches();
  }
  return {};
}

// Returns the cluster after the last one that a range up to `end` covers wholly. A cluster that the
// end of the disk cuts short counts as whole.
GuestCluster end_of_whole_clusters(Disk& disk, GuestOffset end) {
  if (end.value() >= disk.guest_size())
    return GuestCluster(disk.cluster_size().clusters_for(end.value()));
  return disk.cluster_size().containing(end);
}

} // namespace

Result<void> zero_clusters(Disk& disk, GuestCluster first, std::uint64_t clusters, bool unmap) {
  return change_clusters(disk, first, clusters, [&](L2Entry old) -> Result<L2Entry> {
    if (old.reads_as_zeros() && (!unmap || !old.host_offset())) return old;
    // Without unmap the cluster stays reserved for this guest cluster, as users of preallocated
    // images expect.
    if (!unmap && old.host_offset() && old.copied()) return L2Entry(old.raw() | zero_flag);
    return L2Entry::zeros();
  });
}

Result<void> write_zeroes_taken(Disk& disk, GuestOffset offset, std::uint64_t bytes, bool unmap) {
  ClusterSize size = disk.cluster_size();
  GuestOffset end = offset + bytes;
  GuestCluster first_whole = size.containing(offset + size.mask());
  GuestCluster whole_end = end_of_whole_clusters(disk, end);
  GuestOffset head_end = std::min(end, size.start(first_whole));
  GuestOffset tail_begin = std::max(size.start(whole_end), head_end);
  if (offset < head_end) BLOCK_TRY(zero_part(disk, offset, head_end - offset));
  if (first_whole < whole_end)
    BLOCK_TRY(zero_clusters(disk, first_whole, whole_end - first_whole, unmap));
  if (tail_begin < end) BLOCK_TRY(zero_part(disk, tail_begin, end - tail_begin));
  return {};
}

Result<void> write_zeroes(Disk& disk, GuestOffset offset, std::uint64_t bytes, bool unmap) {
  ClusterRange range = ClusterRange::touched(disk.cluster_size(), offset, bytes);
  RangeLock::Guard taken(disk.requests, range.first.value(), range.end.value(),
                         RangeLock::Mode::exclusive);
  return write_zeroes_taken(disk, offset, bytes, unmap);
}

Result<void> discard(Disk& disk, GuestOffset offset, std::uint64_t bytes) {
  ClusterSize size = disk.cluster_size();
  GuestCluster first = size.containing(offset + size.mask());
  GuestOffset end = offset + bytes;
  GuestCluster whole_end = end_of_whole_clusters(disk, end);
  if (whole_end <= first) return {};
  RangeLock::Guard taken(disk.requests, first.value(), whole_end.value(),
                         RangeLock::Mode::exclusive);
  return change_clusters(disk, first, whole_end - first, [&](L2Entry old) -> Result<L2Entry> {
    if (old.unallocated() && !disk.backing()) return old;
    return L2Entry::zeros();
  });
}

} // namespace qcow2
