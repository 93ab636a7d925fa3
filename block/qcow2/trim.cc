// Trimming: run by run, from the beginning of the file.
#include "block/qcow2/trim.h"

#include "block/qcow2/refcounts.h"

#include <algorithm>

namespace qcow2 {

Result<std::uint64_t> trim(HostFile& file, const Header& header) {
  constexpr std::size_t cache_bytes = 1u << 20; // blocks are read once, in order
  ClusterSize size = header.cluster_size();
  Refcounts refcounts(file, cache_bytes, header);
  BLOCK_TRY(refcounts.load(header));
  // A power cut must not undo the update that freed a cluster after its hole was punched.
  BLOCK_TRY(file.node().co_flush());
  const HostCluster end(size.clusters_for(file.end().value()));
  std::uint64_t freed = 0;
  for (HostCluster cluster; cluster < end;) {
    BLOCK_TRY_ASSIGN(std::uint64_t used, refcounts.count_used(cluster, end - cluster));
    cluster += used;
    BLOCK_TRY_ASSIGN(std::uint64_t clusters, refcounts.count_free(cluster, end - cluster));
    if (clusters == 0) continue;
    freed += std::min(size.start(cluster + clusters), file.end()) - size.start(cluster);
    BLOCK_TRY(file.punch(size.start(cluster), clusters << size.bits()));
    if (cluster + clusters == end) {
      Result<void> cut = file.cut(size.start(cluster));
      const bool fixed_length = !cut && cut.error().kind() == block::ErrorKind::invalid_argument;
      if (!cut && !fixed_length) return std::move(cut).error(); // a device keeps its length
    }
    cluster += clusters;
  }
  return freed;
}

} // namespace qcow2
