// Block status: host offset of a run of guest clusters, and its number of owners.
#include "block/qcow2/disk.h"

#include <algorithm>

namespace qcow2 {

Result<block::BlockStatus> block_status(Disk& disk, GuestOffset offset, std::uint64_t bytes,
                                        bool count_owners) {
  ClusterSize size = disk.cluster_size();
  GuestCluster first = size.containing(offset);
  auto metadata = disk.image.lock();
  BLOCK_TRY_ASSIGN(MappedRun run, disk.mapping(metadata).run(
                                      first, size.clusters_for(size.within(offset) + bytes)));
  block::BlockStatus status;
  status.allocated = !run.first.unallocated();
  status.data = run.first.is_data();
  status.zero = run.first.reads_as_zeros();
  if (std::optional<HostOffset> place = run.first.host_offset()) {
    status.host_offset = (*place + size.within(offset)).value();
    if (count_owners && status.data) {
      HostCluster host = size.containing(*place);
      // If a refcount cannot be read, the number is reported as not known; no reader depends on it.
      auto owners = [&](HostCluster cluster) {
        Result<std::uint64_t> references = metadata->allocator().references(cluster);
        return references ? *references : 0;
      };
      status.owners = owners(host);
      for (std::uint64_t i = 1; i < run.clusters; ++i)
        if (owners(host + i) != status.owners) run.clusters = i;
    }
  }
  status.bytes = std::min((run.clusters << size.bits()) - size.within(offset), bytes);
  metadata->trim_caches();
  return status;
}

} // namespace qcow2
