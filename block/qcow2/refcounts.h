// Refcounts: the refcount table and its blocks, as stored numbers. Who may be allocated is the
// allocator's matter. Source: specification, section "Host cluster management".
#ifndef BLOCK_QCOW2_REFCOUNTS_H
#define BLOCK_QCOW2_REFCOUNTS_H

#include "block/qcow2/header.h"
#include "block/qcow2/table-cache.h"

namespace qcow2 {

// Not synchronised: the image's metadata lock guards it.
class Refcounts {
public:
  Refcounts(HostFile& file, std::size_t cache_bytes, const Header& header);

  // Reads the refcount table that the header names. Errors: those of the read. What an entry says
  // matters when its block is needed: then one that is unaligned or outside the file is the error
  // corrupt.
  Result<void> load(const Header& header);

  // How many references the file counts for a cluster; 0 beyond the table, and if none is loaded.
  Result<std::uint64_t> get(HostCluster cluster);
  // The cluster's block must exist, and the value fit: see has_block() and max().
  Result<void> set(HostCluster cluster, std::uint64_t refcount);
  // The largest number this image can store.
  std::uint64_t max() const { return max_; }

  // The first run of `clusters` clusters with refcount 0 at or after `from`. Never beyond capacity
  // plus `clusters`.
  Result<HostCluster> find_free(HostCluster from, std::uint64_t clusters);
  // How many clusters from `from` on have refcount 0, counted up to `at_most`.
  Result<std::uint64_t> count_free(HostCluster from, std::uint64_t at_most);

  // The same for those with another refcount.
  Result<std::uint64_t> count_used(HostCluster from, std::uint64_t at_most);

  // The first cluster after all that are counted. Looks at so many blocks at most, and else at none
  // of those below: then it is an upper bound.
  Result<HostCluster> used_end();

  bool has_block(HostCluster cluster) const;
  // Makes `place` the block that counts `cluster`; all its counts are 0. The table must reach that
  // far.
  void install_block(HostCluster cluster, HostOffset place);
  // Takes back install_block().
  void remove_block(HostCluster cluster);

  // Clusters that the present table can count.
  std::uint64_t capacity() const { return table_.size() << block_bits_; }
  std::uint64_t clusters_per_block() const { return std::uint64_t{1} << block_bits_; }
  std::size_t table_entries() const { return table_.size(); }
  HostOffset table_offset() const { return table_offset_; }
  bool same_block(HostCluster a, HostCluster b) const { return block_index(a) == block_index(b); }
  // The table as it is to be stored.
  std::vector<std::byte> encode_table() const;
  // Moves the table in memory to a new place with more entries; the caller stores all of it.
  void install_table(std::size_t entries, HostOffset place);
  // Back to the former place, because the new one could not be stored.
  void reinstall_table(std::size_t entries, HostOffset place);

  // Changed table entries for a write-back, like TableCache's.
  std::vector<TableWrite> begin_table_write_back();
  void end_table_write_back(const std::vector<TableWrite>& writes, bool written);

  // Places of all refcount blocks, without the entries that cannot be right.
  std::vector<HostOffset> block_places() const;

  TableCache& blocks() { return blocks_; }

private:
  Result<Table*> block_for(HostCluster cluster);
  bool names_a_cluster(std::uint64_t table_entry) const;
  std::size_t block_index(HostCluster cluster) const { return cluster.value() >> block_bits_; }
  std::size_t within_block(HostCluster cluster) const {
    return cluster.value() & (clusters_per_block() - 1);
  }

  HostFile& file_;
  ClusterSize cluster_size_;
  unsigned order_;
  unsigned block_bits_; // log2 of the clusters that one block counts
  std::uint64_t max_;
  HostOffset table_offset_;
  std::vector<std::uint64_t> table_;            // host offsets of blocks, 0 = none
  std::size_t dirty_begin_ = 0, dirty_end_ = 0; // changed entries of table_
  TableCache blocks_;
};

} // namespace qcow2

#endif
