// RebuildPlan: the clusters for a new refcount structure, or for the missing blocks of the old one.
#ifndef BLOCK_QCOW2_CHECK_REBUILD_PLAN_H
#define BLOCK_QCOW2_CHECK_REBUILD_PLAN_H

#include "block/qcow2/check/stored-refcounts.h"

#include <optional>
#include <vector>

namespace qcow2 {

struct RebuildPlan {
  std::vector<NewBlock> blocks; // ascending indexes
  HostCluster table;
  std::uint64_t table_clusters = 0; // 0: the old table and its blocks stay
  // Of these clusters, those for which the host may have no space: holes of the file, and clusters
  // beyond its end.
  std::vector<HostCluster> unstored;

  std::uint64_t clusters() const { return blocks.size() + table_clusters; }
  // Calls visit(cluster) for each cluster of the structure.
  template <typename Visit>
  void for_each_cluster(Visit visit) const {
    for (std::uint64_t i = 0; i < table_clusters; ++i)
      visit(table + i);
    for (const NewBlock& block : blocks)
      visit(block.place);
  }
  // One beyond the last cluster of the structure.
  HostCluster end() const;
};

// Plans a structure with a refcount for each counted reference, for each cluster in `higher`, and
// for itself. It takes clusters from `lowest` on that have no reference, not even a dangling one.
// It takes first those that the host stores already, because overwriting them needs no space, then
// all others, from the lowest. The table takes a run, the blocks take single clusters. If
// `completed` is given, only the blocks that it lacks are planned.
//
// Returns nothing if the format, or the table of `completed`, has no room for such a structure.
// Memory and time are proportional to the number of counted clusters and of the file's extents.
std::optional<RebuildPlan> plan_rebuild(HostFile& file, const Header& header,
                                        const References& references, const ClusterCounts& higher,
                                        HostCluster lowest, const StoredRefcounts* completed);

} // namespace qcow2

#endif
