// ClusterSet: a set of host clusters.
#ifndef BLOCK_QCOW2_CLUSTER_SET_H
#define BLOCK_QCOW2_CLUSTER_SET_H

#include "block/qcow2/format.h"

#include <array>
#include <unordered_map>

namespace qcow2 {

// A sparse set. It takes one bit a cluster where it is dense (about 60 MiB for a TiB of 4 KiB
// clusters), and at most about 100 bytes for a cluster far from all others. Not synchronised: the
// image's metadata lock guards it.
class ClusterSet {
public:
  // Returns false if one of the clusters is in the set already; the others are added all the same.
  bool add(HostCluster first, std::uint64_t clusters);
  void remove(HostCluster cluster);
  bool contains(HostCluster cluster) const;
  bool contains_any(HostCluster first, std::uint64_t clusters) const;
  bool empty() const { return chunks_.empty(); }
  // Returns the first cluster after all clusters of the set.
  HostCluster end() const;

private:
  static constexpr std::uint64_t words = 8;
  static constexpr std::uint64_t clusters_per_chunk = words * 64;
  using Chunk = std::array<std::uint64_t, words>;

  std::unordered_map<std::uint64_t, Chunk> chunks_; // by cluster number / clusters_per_chunk; none
                                                    // is all zero
};

} // namespace qcow2

#endif
