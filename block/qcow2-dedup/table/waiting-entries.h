// WaitingEntries: new entries of the dedup table whose hash block is not in memory, or does not
// exist yet.
//
// They are grouped by hash block, because they come in runs and are removed block by block.
#ifndef BLOCK_QCOW2_DEDUP_TABLE_WAITING_ENTRIES_H
#define BLOCK_QCOW2_DEDUP_TABLE_WAITING_ENTRIES_H

#include "block/qcow2-dedup/table/block-layout.h"

#include <algorithm>
#include <map>
#include <optional>
#include <ranges>
#include <utility>
#include <vector>

namespace qcow2_dedup {

// Not synchronised: the image's metadata lock guards it.
class WaitingEntries {
public:
  struct Waiting {
    std::size_t slot; // in the hash block
    Entry entry;
  };
  using OfBlock = std::vector<Waiting>;             // ascending, never empty
  using ByBlock = std::map<std::uint64_t, OfBlock>; // by the hash block's index

  // Returns the cluster's entry, or null. Valid until the next change.
  const Entry* find(block::HostCluster cluster) const {
    auto of_block = by_block_.find(block_index_of(cluster));
    if (of_block == by_block_.end()) return nullptr;
    auto at = place(of_block->second, slot_of(cluster));
    return at != of_block->second.end() && at->slot == slot_of(cluster) ? &at->entry : nullptr;
  }
  // Replaces the cluster's entry with another one, which may be empty. Returns the former entry, or
  // nothing if the cluster has none.
  std::optional<Entry> replace(block::HostCluster cluster, const Entry& entry) {
    auto of_block = by_block_.find(block_index_of(cluster));
    if (of_block == by_block_.end()) return std::nullopt;
    auto at = place(of_block->second, slot_of(cluster));
    if (at == of_block->second.end() || at->slot != slot_of(cluster)) return std::nullopt;
    return std::exchange(at->entry, entry);
  }
  // Adds an entry. The cluster must not have one yet.
  void add(block::HostCluster cluster, const Entry& entry) {
    OfBlock& of_block = by_block_[block_index_of(cluster)];
    of_block.insert(place(of_block, slot_of(cluster)), Waiting{slot_of(cluster), entry});
    ++size_;
  }

  std::size_t size() const { return size_; }

  const ByBlock& by_block() const { return by_block_; }
  // Removes the entries of a hash block; returns the block after it.
  ByBlock::const_iterator remove_block(ByBlock::const_iterator of_block) {
    size_ -= of_block->second.size();
    return by_block_.erase(of_block);
  }

private:
  // Returns where the slot is or belongs: usually after all others.
  template <typename Block> // OfBlock, const or not
  static std::ranges::iterator_t<Block> place(Block& of_block, std::size_t slot) {
    if (of_block.empty() || of_block.back().slot < slot) return of_block.end();
    return std::ranges::lower_bound(of_block, slot, {}, &Waiting::slot);
  }

  ByBlock by_block_;
  std::size_t size_ = 0;
};

} // namespace qcow2_dedup

#endif
