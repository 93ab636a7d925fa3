// ClusterCounts: one counter for each host cluster, stored sparsely.
#ifndef BLOCK_QCOW2_CHECK_CLUSTER_COUNTS_H
#define BLOCK_QCOW2_CHECK_CLUSTER_COUNTS_H

#include "block/types.h"

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

namespace qcow2 {

using block::HostCluster;

// Counters saturate at 2^64 - 1. Memory is used only where something was counted: about one byte a
// cluster where clusters are used densely, some hundred bytes for a cluster far from all others. So
// an image cannot make a check use much more memory than the size of the image's metadata. One
// thread.
class ClusterCounts {
public:
  ClusterCounts() = default;
  ClusterCounts(const ClusterCounts&) = delete;
  ClusterCounts& operator=(const ClusterCounts&) = delete;

  std::uint64_t get(HostCluster cluster) const;
  void add(HostCluster cluster, std::uint64_t amount = 1);
  void set(HostCluster cluster, std::uint64_t count);
  void clear();

  // Copies the counters of [first, first + counts.size()) to `counts`.
  void copy(HostCluster first, std::span<std::uint64_t> counts) const;
  // Calls visit(cluster, count) for every counter in [first, end) that is not zero, in order.
  void for_each(HostCluster first, HostCluster end,
                const std::function<void(HostCluster, std::uint64_t)>& visit) const;
  // Returns whether all counters in [first, end) are zero. May return false for counters that were
  // set to zero again.
  bool untouched(HostCluster first, HostCluster end) const;
  // One beyond the highest cluster with a counter that is not zero; 0 if there is none.
  HostCluster end() const { return end_; }

private:
  static constexpr unsigned chunk_bits = 12;
  static constexpr std::uint64_t chunk_clusters = std::uint64_t{1} << chunk_bits;
  // From this number on, an array takes less time and little more memory.
  static constexpr std::size_t max_few = 256;
  static constexpr std::uint8_t escaped = 0xff; // the true count is in large_
  static constexpr std::size_t min_recent = 256;

  struct Slot {
    std::uint16_t index; // within the chunk
    std::uint8_t count;
  };
  struct Chunk {
    std::vector<Slot> few; // sorted by index; not used once `dense` is there
    std::unique_ptr<std::array<std::uint8_t, chunk_clusters>> dense;
  };

  const Chunk* find(std::uint64_t chunk_number) const;
  Chunk& chunk_for(std::uint64_t chunk_number);
  std::uint8_t& byte_for(HostCluster cluster);
  std::uint64_t full_count(std::uint8_t byte, std::uint64_t cluster) const;
  HostCluster find_end() const;

  std::map<std::uint64_t, Chunk> chunks_;
  std::unordered_map<std::uint64_t, std::uint64_t> large_; // counts from 255 on, by cluster
  HostCluster end_{0};
  struct Recent {
    std::uint64_t number = ~std::uint64_t{0};
    Chunk* chunk = nullptr;
  };
  // The most recently used chunks, indexed by the low bits of the chunk number; at least as many
  // elements as chunks. So an image that refers to its clusters in random order takes little longer
  // than one in order.
  mutable std::vector<Recent> recent_ = std::vector<Recent>(min_recent);
};

} // namespace qcow2

#endif
