// MetadataPlaces: which host clusters hold metadata, so that no guest data is ever written over
// them, whatever an image says.
#ifndef BLOCK_QCOW2_METADATA_PLACES_H
#define BLOCK_QCOW2_METADATA_PLACES_H

#include "block/qcow2/format.h"

#include <array>
#include <unordered_map>

namespace qcow2 {

// A sparse set with one bit a cluster: 32 MiB for a TiB of 4 KiB clusters, 2 MiB at 64 KiB. Not
// synchronised: the image's metadata lock guards it.
class MetadataPlaces {
public:
  // False if one of the clusters is in the set already; the others are added all the same.
  bool add(HostCluster first, std::uint64_t clusters);
  void remove(HostCluster cluster);
  bool contains(HostCluster cluster) const;
  bool contains_any(HostCluster first, std::uint64_t clusters) const;

private:
  static constexpr std::uint64_t words = 512;
  static constexpr std::uint64_t clusters_per_chunk = words * 64;
  using Chunk = std::array<std::uint64_t, words>;

  std::unordered_map<std::uint64_t, Chunk> chunks_; // by cluster number / clusters_per_chunk
};

} // namespace qcow2

#endif
