// FreedSpace: free host clusters whose space was not returned to the file system yet.
//
// Holes are punched without the metadata lock. Clusters that are being punched are held: the
// allocator hands none of them out, because the hole would destroy what is written there.
#ifndef BLOCK_QCOW2_FREED_SPACE_H
#define BLOCK_QCOW2_FREED_SPACE_H

#include "block/qcow2/format.h"

#include <array>
#include <map>
#include <optional>
#include <vector>

namespace qcow2 {

// Neighbouring host clusters.
struct HostRun {
  HostCluster first;
  std::uint64_t clusters = 0;

  bool operator==(const HostRun&) const = default;
};

// Not synchronised: the image's metadata lock guards it. Memory: one bit for each cluster, in
// chunks of 4 KiB that exist only where a cluster is free.
class FreedSpace {
public:
  // Adds a cluster that became free. The L2 update that dropped its last reference must be durable.
  void add(HostCluster cluster);
  // Removes clusters that are being allocated.
  void remove(HostCluster first, std::uint64_t clusters);
  // Moves the clusters of `other` that it does not hold into this object.
  void absorb(FreedSpace& other);
  bool empty() const { return chunks_.empty(); }

  // Takes up to `most` runs out, in ascending order, and holds them until release_held(). They come
  // from the end of the file, because the allocator reuses free clusters from the beginning on.
  // Takes none while others are held.
  std::vector<HostRun> hold_some(std::size_t most);
  // Ends the hold. Returns the first held cluster.
  std::optional<HostCluster> release_held();
  // Returns the first held run that overlaps the clusters.
  std::optional<HostRun> held_in(HostCluster first, std::uint64_t clusters) const;

private:
  static constexpr std::uint64_t word_bits = 64;
  static constexpr std::uint64_t chunk_words = 512;
  static constexpr std::uint64_t chunk_clusters = chunk_words * word_bits;
  struct Chunk {
    std::array<std::uint64_t, chunk_words> words{};
    std::uint64_t count = 0; // of set bits, at least 1
  };
  using Chunks = std::map<std::uint64_t, Chunk>; // by cluster number / chunk_clusters

  static bool clear(Chunk& chunk, std::uint64_t index);
  // Moves runs of a chunk to held_.
  void hold_from(Chunks::iterator chunk, std::size_t most);

  Chunks chunks_;
  std::vector<HostRun> held_;
};

} // namespace qcow2

#endif
