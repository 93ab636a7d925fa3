// FreeClusters: the clusters of an image without a reference, in the order in which a repair takes
// them.
#ifndef BLOCK_QCOW2_CHECK_FREE_CLUSTERS_H
#define BLOCK_QCOW2_CHECK_FREE_CLUSTERS_H

#include "block/qcow2/check/references.h"
#include "block/qcow2/host-file.h"

#include <array>
#include <optional>

namespace qcow2 {

// First, ascending, the free clusters that the host stores as a whole. Then, ascending, all free
// clusters: these, holes of the file, and clusters beyond its end. One thread; the references must
// not change meanwhile.
class FreeClusters {
public:
  // Only clusters in [lowest, limit).
  FreeClusters(HostFile& file, const Header& header, const References& references,
               HostCluster lowest, HostCluster limit);

  // Returns the next free cluster; nothing after the last. `stored()`: the host stores it.
  std::optional<HostCluster> next();
  bool stored() const { return stored_; }

private:
  static constexpr std::uint64_t row_clusters = 4096; // counters read at a time

  bool load_row();
  void find_stored_extent();

  HostFile& file_;
  const References& references_;
  ClusterSize cluster_size_;
  HostCluster lowest_;
  HostCluster limit_;
  HostCluster at_;
  HostCluster extent_end_; // of the clusters that are stored in one piece
  bool stored_ = true;
  HostCluster row_first_;
  HostCluster row_end_;
  std::array<std::uint64_t, row_clusters> row_; // 0 = free
};

} // namespace qcow2

#endif
