// ForgottenClusters: host clusters whose entry in the dedup table no longer applies, although their
// hash block still holds it.
//
// One bit for each cluster: forgetting costs almost nothing and needs no hash block. The cost is
// the same for one cluster and for all of a block, whose entries are cleared together later.
#ifndef BLOCK_QCOW2_DEDUP_TABLE_FORGOTTEN_CLUSTERS_H
#define BLOCK_QCOW2_DEDUP_TABLE_FORGOTTEN_CLUSTERS_H

#include "block/qcow2-dedup/table/block-layout.h"

#include <bitset>
#include <map>

namespace qcow2_dedup {

// Not synchronised: the image's metadata lock guards it.
class ForgottenClusters {
public:
  using Slots = std::bitset<entries_per_block>;
  using ByBlock = std::map<std::uint64_t, Slots>; // by the hash block's index; none is all zero

  void add(block::HostCluster cluster) {
    std::uint64_t index = block_index_of(cluster);
    if (last_ == by_block_.end() || last_->first != index)
      last_ = by_block_.try_emplace(index).first;
    last_->second.set(slot_of(cluster));
  }
  bool contains(block::HostCluster cluster) const {
    if (by_block_.empty()) return false;
    auto found = by_block_.find(block_index_of(cluster));
    return found != by_block_.end() && found->second[slot_of(cluster)];
  }
  // Returns whether the cluster was in the set.
  bool remove(block::HostCluster cluster) {
    if (!contains(cluster)) return false;
    auto found = by_block_.find(block_index_of(cluster));
    found->second.reset(slot_of(cluster));
    if (found->second.none()) remove_block(found);
    return true;
  }

  const ByBlock& by_block() const { return by_block_; }
  // Removes all clusters of a hash block; returns the block after it.
  ByBlock::const_iterator remove_block(ByBlock::const_iterator of_block) {
    last_ = by_block_.end();
    return by_block_.erase(of_block);
  }

private:
  ByBlock by_block_;
  // Block of the cluster added last: clusters come in runs.
  ByBlock::iterator last_ = by_block_.end();
};

} // namespace qcow2_dedup

#endif
