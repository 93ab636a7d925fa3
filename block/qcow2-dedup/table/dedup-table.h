// DedupTable: the stored map from host cluster to fingerprint and first owner, accessed through the
// dedup block cache.
//
// The table holds only hints: losing an entry costs space, never data. So its order of durability
// is free, and what cannot be stored is dropped. Changes to hash blocks that are not in memory
// wait: new entries beside the cache, forgotten entries as bits. So neither reads the disk.
#ifndef BLOCK_QCOW2_DEDUP_TABLE_DEDUP_TABLE_H
#define BLOCK_QCOW2_DEDUP_TABLE_DEDUP_TABLE_H

#include "block/dedup/counters.h"
#include "block/qcow2-dedup/table/block-layout.h"
#include "block/qcow2-dedup/table/extension.h"
#include "block/qcow2-dedup/table/forgotten-clusters.h"
#include "block/qcow2-dedup/table/waiting-entries.h"
#include "block/qcow2/image.h"
#include "block/qcow2/pointer-table.h"

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
  // `store_place` makes a new host offset of the table's L1 durable in the header: (offset,
  // entries).
  using StorePlace = std::function<Result<void>(HostOffset, std::uint32_t)>;
  // Called when a hash block is loaded and a waiting change replaces one of its entries: the old
  // fingerprint must leave the index.
  using OnReplaced = std::function<void(HostCluster, const dedup::Fingerprint&)>;
  // Called when a hash block is lost, because it cannot be read or written, with its number and the
  // reason.
  using OnLost = std::function<void(std::uint64_t index, const block::Error&)>;

  DedupTable(qcow2::HostFile& file, block::ClusterSize cluster_size, std::uint64_t cache_bytes,
             dedup::Counters& counters, OnReplaced on_replaced, OnLost on_lost);

  // Reads the L1. Errors: corrupt (the L1 or an entry lies outside the file, or an entry is
  // unaligned or out of order), those of the read. After an error the table is empty.
  Result<void> load(const Extension& extension);
  // Gives the table up: from now on there is none, and the next entry creates a new one. The
  // clusters of the old table stay allocated.
  void abandon();

  // Returns the entry of a cluster; reads its hash block if that is not cached. An entry that
  // violates the format counts as empty. A hash block that cannot be read is replaced by an empty
  // one.
  Entry get(HostCluster cluster);
  // The same without I/O: returns nothing if the entry is not in memory.
  std::optional<Entry> peek(HostCluster cluster);
  // Stores an entry, which may be empty, without I/O. Returns the former entry if it is in memory.
  std::optional<Entry> replace(HostCluster cluster, const Entry& entry);

  // Cheap form of `replace(cluster, {})` for runs: marks the entry only; the block is changed at
  // the next merge. Returns false if an entry for the cluster waits: then the caller must call
  // replace().
  bool forget_later(HostCluster cluster);

  // Clears the entries of clusters that were free until now, without I/O.
  void clear_free(HostCluster first, std::uint64_t clusters);

  // Moves waiting changes into their hash blocks, which are read or allocated. A call processes at
  // most half a cache of blocks, and clears entries for some milliseconds at most; the rest keeps
  // waiting. If a new hash block cannot be allocated, its changes are dropped. If a hash block
  // exists, the older entry there must not survive, so the change keeps waiting until it is merged.
  // Error: corrupt, if a hash block could only be allocated over other metadata.
  Result<void> merge_waiting(qcow2::Allocator& allocator, const StorePlace& store_place);
  std::size_t waiting_changes() const;
  bool wants_write_back() const;
  std::vector<qcow2::TableWrite> begin_write_back();
  void end_write_back(const std::vector<qcow2::TableWrite>& writes, bool written);
  // The hash block at this host offset cannot be written: from now on it does not exist.
  void lose_block(HostOffset place, const block::Error& why);
  HostOffset l1_offset() const { return l1_.place(); }
  // Returns whether there are changes to write.
  bool has_changes() const { return l1_.has_changes() || blocks_.has_changes(); }
  void trim() { blocks_.trim(); }

  // For the index loader: the hash blocks of the file.
  std::uint64_t block_count() const { return l1_.size(); }
  HostOffset block_place(std::uint64_t index) const { return HostOffset(l1_[index]); } // 0 = none
  bool is_waiting(HostCluster cluster) const;

  std::uint64_t cache_bytes() const { return blocks_.memory_bytes(); }
  // The clusters of the table, each once: its L1, and its hash blocks in pieces of at least a
  // cluster.
  struct Place {
    HostOffset offset;
    std::uint64_t bytes;
  };
  std::vector<Place> places() const;
  // Returns the number of host clusters in places().
  std::uint64_t clusters() const;

private:
  Result<void> load_l1(const Extension& extension);
  Result<void> merge(std::uint64_t index, const WaitingEntries::OfBlock& entries,
                     qcow2::Allocator& allocator, const StorePlace& store_place);
  bool has_block(std::uint64_t index) const;
  // Returns a hash block, which must exist, if it is cached; otherwise null.
  qcow2::Table* cached_block(std::uint64_t index);
  // The same, counted as a cache hit.
  qcow2::Table* look_up(std::uint64_t index);
  // Returns a hash block, read if it is not cached; null if there is none.
  qcow2::Table* block_for(std::uint64_t index);
  // Returns null if the bytes there are no hash block; then the table gives it up.
  qcow2::Table* read_block(std::uint64_t index);
  Result<qcow2::Table*> block_for_writing(std::uint64_t index, qcow2::Allocator& allocator,
                                          const StorePlace& store_place);
  Result<void> allocate_blocks(std::uint64_t index, qcow2::Allocator& allocator);
  Result<void> grow(std::uint64_t min_entries, qcow2::Allocator& allocator,
                    const StorePlace& store_place);
  // Clears the entries in forgotten_, as far as there is room and time.
  void clear_forgotten();
  void clear(qcow2::Table& hash_block, HostCluster cluster);
  Entry sound_entry(const qcow2::Table& hash_block, HostCluster cluster) const;
  // Returns the number of hash blocks in one cluster, if clusters are larger than hash blocks; else
  // 1.
  std::uint64_t blocks_per_cluster() const;

  qcow2::HostFile& file_;
  block::ClusterSize cluster_size_;
  dedup::Counters& counters_;
  OnReplaced on_replaced_;
  OnLost on_lost_;
  qcow2::PointerTable l1_;   // entries: host offset of a hash block, 0 = none
  qcow2::TableCache blocks_; // the dedup block cache
  WaitingEntries waiting_;
  // Clusters whose entries in existing hash blocks no longer apply. None of them is in waiting_.
  ForgottenClusters forgotten_;
};

} // namespace qcow2_dedup

#endif
