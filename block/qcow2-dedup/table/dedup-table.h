// DedupTable: host cluster -> fingerprint and first owner, as the image stores it, through the
// dedup block cache.
//
// The table only holds hints: losing an entry costs space, never data. So its order of durability
// is free, and whatever cannot be stored is dropped. Changes to hash blocks that are not in memory
// wait, new entries beside the cache and forgotten ones as bits, so that neither reads the disk.
#ifndef BLOCK_QCOW2_DEDUP_TABLE_DEDUP_TABLE_H
#define BLOCK_QCOW2_DEDUP_TABLE_DEDUP_TABLE_H

#include "block/dedup/counters.h"
#include "block/qcow2-dedup/table/block-layout.h"
#include "block/qcow2-dedup/table/extension.h"
#include "block/qcow2-dedup/table/forgotten-clusters.h"
#include "block/qcow2-dedup/table/waiting-entries.h"
#include "block/qcow2/image.h"

#include <functional>
#include <vector>

namespace qcow2_dedup {

using block::GuestCluster;
using block::GuestOffset;
using block::HostCluster;
using block::HostOffset;
using block::Result;

// Not synchronised: the image's metadata lock guards it.
class DedupTable {
public:
  // `store_place` makes a new place of the table's L1 durable in the header: (offset, entries).
  using StorePlace = std::function<Result<void>(HostOffset, std::uint32_t)>;
  // Called when a hash block is loaded and a waiting change replaces one of its entries: the old
  // fingerprint must leave the index.
  using OnReplaced = std::function<void(HostCluster, const dedup::Fingerprint&)>;
  // Called when a hash block is lost, because it cannot be read or written: its number, and why.
  using OnLost = std::function<void(std::uint64_t index, const block::Error&)>;

  DedupTable(qcow2::HostFile& file, block::ClusterSize cluster_size, std::uint64_t cache_bytes,
             dedup::Counters& counters, StorePlace store_place, OnReplaced on_replaced,
             OnLost on_lost);

  // Reads the L1. Errors: corrupt (it or an entry lies outside the file), those of the read. After
  // an error the table is empty.
  Result<void> load(const Extension& extension);
  // From now on there is no table; the next entry makes a new one. Its clusters stay allocated.
  void abandon();

  // The entry of a cluster; reads its hash block if that is not cached. An entry that contradicts
  // the format is empty. A hash block that cannot be read is replaced by an empty one.
  Entry get(HostCluster cluster);
  // The same without I/O: nothing if memory does not know the entry.
  std::optional<Entry> peek(HostCluster cluster);
  // Stores an entry, which may be empty, without I/O. Returns the former entry as far as memory
  // knows it.
  std::optional<Entry> replace(HostCluster cluster, const Entry& entry);

  // As replace() with an empty entry, but looks at nothing and changes no block yet: for one
  // cluster after the other. False if an entry waits for the cluster: then replace() has to do it.
  bool forget_later(HostCluster cluster);

  // Empties the entries of clusters that were free until now, without I/O.
  void clear_free(HostCluster first, std::uint64_t clusters);

  // Moves waiting changes into their hash blocks, which are read or allocated; at most half a cache
  // full of blocks at a time, and of those that only lose entries no more than takes milliseconds.
  // What finds no room is dropped, unless a hash block holds an older entry for it: that must not
  // survive, so the change goes on waiting. Error: corrupt, if there is no place for a hash block
  // but over other metadata.
  Result<void> merge_waiting(qcow2::Allocator& allocator);
  std::size_t waiting_changes() const;
  bool wants_write_back() const;
  std::vector<qcow2::TableWrite> begin_write_back();
  void end_write_back(const std::vector<qcow2::TableWrite>& writes, bool written);
  // The hash block at that place cannot be written: from now on there is none.
  void lose_block(HostOffset place, const block::Error& why);
  HostOffset l1_offset() const { return l1_offset_; }
  // Something is to be written.
  bool has_changes() const { return dirty_begin_ < dirty_end_ || blocks_.has_changes(); }
  void trim() { blocks_.trim(); }

  // For loading the index: the hash blocks of the file.
  std::uint64_t block_count() const { return l1_.size(); }
  HostOffset block_place(std::uint64_t index) const { return HostOffset(l1_[index]); } // 0 = none
  bool is_waiting(HostCluster cluster) const;

  std::uint64_t cache_bytes() const { return blocks_.memory_bytes(); }
  // What the table occupies, each cluster once: its L1, and its hash blocks in pieces of at least a
  // cluster.
  struct Place {
    HostOffset offset;
    std::uint64_t bytes;
  };
  std::vector<Place> places() const;
  // Host clusters of these.
  std::uint64_t clusters() const;

private:
  Result<void> load_l1(const Extension& extension);
  void touch_l1(std::size_t begin, std::size_t end);
  Result<void> merge(std::uint64_t index, const WaitingEntries::OfBlock& entries,
                     qcow2::Allocator& allocator);
  bool has_block(std::uint64_t index) const;
  // A hash block that exists, if it is cached.
  qcow2::Table* cached_block(std::uint64_t index);
  // The same, counted as a hit.
  qcow2::Table* look_up(std::uint64_t index);
  // A hash block, read if it is not cached; null if there is none.
  qcow2::Table* block_for(std::uint64_t index);
  // Null if what lies there is no hash block; then the table has none.
  qcow2::Table* read_block(std::uint64_t index);
  Result<qcow2::Table*> block_for_writing(std::uint64_t index, qcow2::Allocator& allocator);
  Result<void> allocate_blocks(std::uint64_t index, qcow2::Allocator& allocator);
  Result<void> grow(std::uint64_t min_entries, qcow2::Allocator& allocator);
  // Works off forgotten_, as far as there is room and time.
  void clear_forgotten();
  void clear(qcow2::Table& block, HostCluster cluster);
  Entry sound_entry(const qcow2::Table& block, HostCluster cluster) const;
  // Hash blocks that share a cluster, when clusters are larger than they are.
  std::uint64_t blocks_per_cluster() const;

  qcow2::HostFile& file_;
  block::ClusterSize cluster_size_;
  dedup::Counters& counters_;
  StorePlace store_place_;
  OnReplaced on_replaced_;
  OnLost on_lost_;
  HostOffset l1_offset_;
  std::vector<std::uint64_t> l1_;
  std::size_t dirty_begin_ = 0, dirty_end_ = 0; // changed entries of l1_
  qcow2::TableCache blocks_;                    // the dedup block cache
  WaitingEntries waiting_;
  // What hash blocks that exist say of these is no longer so. None of them is in waiting_.
  ForgottenClusters forgotten_;
};

} // namespace qcow2_dedup

#endif
