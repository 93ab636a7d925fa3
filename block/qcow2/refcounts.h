// Refcounts: the refcount table and its blocks, as stored numbers. The allocator decides which
// clusters may be allocated. Source: specification, section "Host cluster management".
#ifndef BLOCK_QCOW2_REFCOUNTS_H
#define BLOCK_QCOW2_REFCOUNTS_H

#include "block/qcow2/header.h"
#include "block/qcow2/pointer-table.h"

namespace qcow2 {

// Not synchronised: the image's metadata lock guards it.
class Refcounts {
public:
  Refcounts(HostFile& file, std::size_t cache_bytes, const Header& header);

  // Reads the refcount table that the header names. Errors: those of the read. An entry that is
  // unaligned or outside the file is an error (corrupt) only when its block is needed.
  Result<void> load(const Header& header);

  // Returns the stored refcount of a cluster; 0 beyond the table, and if no table is loaded.
  Result<std::uint64_t> get(HostCluster cluster);
  // Sets the refcount. The cluster's block must exist (has_block()), and the value must fit
  // (max()).
  Result<void> set(HostCluster cluster, std::uint64_t refcount);
  // The largest number this image can store.
  std::uint64_t max() const { return max_; }

  // Returns the first run of `clusters` clusters with refcount 0 at or after `from`. Never beyond
  // capacity plus `clusters`.
  Result<HostCluster> find_free(HostCluster from, std::uint64_t clusters);
  // Returns how many clusters from `from` on have refcount 0, counted up to `at_most`.
  Result<std::uint64_t> count_free(HostCluster from, std::uint64_t at_most);

  // The same for clusters with another refcount.
  Result<std::uint64_t> count_used(HostCluster from, std::uint64_t at_most);

  // Returns the first cluster after all clusters with a refcount. Reads at most 256 blocks; if
  // these count nothing, the result is an upper bound.
  Result<HostCluster> used_end();

  bool has_block(HostCluster cluster) const;
  // Makes `place` the host offset of the block that counts `cluster`; all its counts are 0. The
  // table must reach that far.
  void install_block(HostCluster cluster, HostOffset place);
  // Undoes install_block().
  void remove_block(HostCluster cluster);

  // Number of clusters that the present table can count.
  std::uint64_t capacity() const { return table_.size() << block_bits_; }
  std::uint64_t clusters_per_block() const { return std::uint64_t{1} << block_bits_; }
  bool same_block(HostCluster a, HostCluster b) const { return block_index(a) == block_index(b); }

  // Returns the host offsets of all refcount blocks, without table entries that cannot be valid.
  std::vector<HostOffset> block_places() const;

  // For growing and for the write-back.
  PointerTable& table() { return table_; }
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
  PointerTable table_; // entries: host offset of a block, 0 = none
  TableCache blocks_;
};

} // namespace qcow2

#endif
