// SingleOwners: for host clusters with one reference, the guest cluster that refers to them.
#ifndef BLOCK_QCOW2_DEDUP_TABLE_SINGLE_OWNERS_H
#define BLOCK_QCOW2_DEDUP_TABLE_SINGLE_OWNERS_H

#include "block/qcow2-dedup/table/block-layout.h"

#include <array>
#include <memory>
#include <vector>

namespace qcow2_dedup {

using block::GuestCluster;
using block::HostCluster;

// Filled in guest order and read in host order, so that neither order costs more reads than the
// other. Takes 5 bytes for each cluster of a hash block. If all blocks together need more than
// `max_bytes`, the object holds the owners of a window of blocks, and the caller processes the
// table in several passes. One thread.
class SingleOwners {
public:
  static constexpr std::uint64_t default_bytes = 256u << 20;

  // For a table of `blocks` hash blocks. The window holds at least one block, even if `max_bytes`
  // is smaller.
  explicit SingleOwners(std::uint64_t blocks = 0, std::uint64_t max_bytes = default_bytes);

  // Drops all owners and starts a window at that hash block.
  void start(std::uint64_t first_block);
  // Records an owner. Ignored if the cluster's block lies outside the window. May end the window at
  // an earlier block than before.
  void record(HostCluster host, GuestCluster guest);
  // The first hash block after the window. Final after the last owner was recorded.
  std::uint64_t end() const { return end_; }
  // Returns the owner recorded last; nothing if there is none.
  std::optional<GuestCluster> owner(HostCluster host) const;

private:
  static constexpr std::size_t owner_bytes = 5;
  // This number stands for "no owner". The largest L1 and the largest L2 tables together map 2^40
  // clusters, so only the very last one could have it. Its entry would be cleared, which costs a
  // hint.
  static constexpr std::uint64_t none = (std::uint64_t{1} << 40) - 1;
  using OfBlock = std::array<std::uint8_t, owner_bytes * entries_per_block>;

  std::vector<std::unique_ptr<OfBlock>> blocks_; // null where nothing was recorded
  std::uint64_t max_used_;
  std::uint64_t used_ = 0; // of blocks_, not null
  std::uint64_t begin_ = 0;
  std::uint64_t end_;
};

} // namespace qcow2_dedup

#endif
