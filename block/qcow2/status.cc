// Block status: host offset of a run of guest clusters, and its number of owners.
#include "block/qcow2/disk.h"

#include <algorithm>

namespace qcow2 {

Result<block::BlockStatus> block_status(Disk& disk, GuestOffset offset, std::uint64_t bytes,
                                        bool count_owners) {
  ClusterSize size = disk.cluster_size();
  auto metadata = disk.image.lock();
  BLOCK_TRY_ASSIGN(MappedRange range, disk.mapping(metadata).range(offset, bytes));
  block::BlockStatus status;
  status.allocated = range.kind != MappedRange::Kind::unallocated;
  status.data = range.kind == MappedRange::Kind::data;
  status.zero = range.kind == MappedRange::Kind::zeros;
  status.bytes = range.bytes;
  if (range.host) status.host_offset = range.host->value();
  if (count_owners && status.data) {
    // If a refcount cannot be read, the number is reported as not known; no reader depends on it.
    auto owners = [&](HostCluster cluster) {
      Result<std::uint64_t> references = metadata->allocator().references(cluster);
      return references ? *references : 0;
    };
    const HostCluster first = size.containing(*range.host);
    status.owners = owners(first);
    HostCluster next = first + 1;
    const HostOffset end = *range.host + range.bytes;
    while (size.start(next) < end && owners(next) == status.owners)
      ++next;
    status.bytes = std::min(end, size.start(next)) - *range.host;
  }
  metadata->trim_caches();
  return status;
}

} // namespace qcow2
