// StoredRefcounts: the refcount table and blocks of an image, compared with the references that a
// walk counted.
#ifndef BLOCK_QCOW2_CHECK_STORED_REFCOUNTS_H
#define BLOCK_QCOW2_CHECK_STORED_REFCOUNTS_H

#include "block/qcow2/check/references.h"
#include "block/qcow2/check/table-reader.h"

#include <optional>

namespace qcow2 {

// A refcount block that a repair adds.
struct NewBlock {
  std::uint64_t index; // in the refcount table
  HostCluster place;
};

// Used in this order: load, count_structure, compare, then repair_in_place or the functions of
// rebuild.h. One thread; the arguments of the constructor must outlive the object.
class StoredRefcounts {
public:
  StoredRefcounts(HostFile& file, const Header& header, References& references,
                  CheckFindings& findings);

  // Reads the refcount table. A table that cannot be read is a finding.
  void load();
  std::uint64_t table_entries() const { return table_.size(); }

  // Counts the references to the table and to its blocks. A block that cannot be a refcount block
  // is a finding.
  void count_structure();

  // Compares every refcount with the counted references. `step` is called after each table entry.
  void compare(const CheckStep& step);

  // Part of the structure is unreliable or missing: only a new structure repairs it.
  bool damaged() const { return damaged_; }
  // A cluster has more references than its refcount.
  bool has_low_refcounts() const { return has_low_refcounts_; }
  // A cluster in use has refcount 0.
  bool has_zero_refcounts() const { return has_zero_refcounts_; }
  // Findings that a new structure repairs.
  std::uint64_t corruptions() const { return corruptions_; }
  std::uint64_t leaks() const { return leaks_; }
  // The first cluster after the last one that is in use or has a refcount.
  HostCluster end() const { return end_; }

  // Corrects refcounts in the existing blocks: lowers them if `lower`, raises them if `raise`.
  Result<void> repair_in_place(bool lower, bool raise);

  // Returns whether the table and every block that it names are sound.
  bool sound() const;
  bool has_block(std::uint64_t index) const {
    return index < states_.size() && counted(states_[index]);
  }
  // Adds blocks, in ascending order, that were missing in a sound structure. The blocks are in the
  // file and hold the refcounts of all their clusters; they are counted in the references. The
  // refcount of each block is durable before the table names the block.
  Result<void> add_blocks(std::span<const NewBlock> blocks);

  // Clears the refcounts of clusters beyond the end of the file. Such refcounts remain when a power
  // cut loses clusters that were counted already; they would be leaks after the file has grown
  // again.
  Result<void> clear_beyond_end();

  // Returns the stored refcount of a cluster that an entry names; nothing if it cannot be read.
  std::optional<std::uint64_t> stored(HostCluster cluster) const;

  // For a new structure that replaces this one. Adds to `higher` the refcounts of sound blocks that
  // are higher than the counted references.
  Result<void> collect_higher(ClusterCounts& higher);
  // Takes back the references to this structure. Calls `visit` for each of its clusters, in order,
  // with the count before and after.
  using VisitReleased =
      std::function<void(HostCluster cluster, std::uint64_t before, std::uint64_t after)>;
  void release_structure(const VisitReleased& visit);
  // Call it when the new structure is in place: every refcount is the counted number, or that of
  // `higher`.
  void replaced(const ClusterCounts& higher);

  std::uint64_t clusters_per_block() const { return clusters_per_block_; }

private:
  enum class BlockState : std::uint8_t {
    none,        // not allocated
    sound,       // alone in its cluster
    overlapping, // its cluster also holds something else
    duplicate,   // an earlier table entry names the same block
    unreadable,
    rejected, // the table entry is invalid; nothing is counted for it
  };

  // The 8 bytes of a block that contain the refcount of one cluster.
  struct RefcountWord {
    HostOffset place;
    std::size_t field = 0; // index of this refcount in `fields`
    std::byte fields[8];
  };

  HostOffset block_offset(std::size_t index) const;
  RefcountWord word_of(std::size_t index, HostCluster cluster) const;
  HostCluster first_of(std::size_t index) const;
  static bool counted(BlockState state) {
    return state != BlockState::none && state != BlockState::rejected;
  }
  static bool comparable(BlockState state) {
    return state == BlockState::sound || state == BlockState::overlapping;
  }
  void damage(std::size_t index, BlockState state, const std::string& line);
  void compare_missing(HostCluster first, HostCluster end);
  Result<void> compare_block(std::size_t index, HostCluster first, HostCluster end);
  void mismatch(HostCluster cluster, std::uint64_t stored, std::uint64_t counted);
  std::optional<std::uint64_t> read_one(std::size_t index, HostCluster cluster) const;
  void note_in_use(HostCluster cluster) { end_ = std::max(end_, cluster + 1); }

  HostFile& file_;
  const Header& header_;
  References& references_;
  CheckFindings& findings_;
  ClusterSize cluster_size_;
  std::uint64_t clusters_per_block_;
  TableReader reader_;
  std::vector<std::uint64_t> table_;
  std::vector<BlockState> states_;
  std::vector<std::size_t> wrong_blocks_; // blocks with a refcount that differs
  // For referenced clusters whose refcount differs: the stored refcount plus one.
  ClusterCounts differing_;
  HostCluster end_;
  std::uint64_t corruptions_ = 0; // findings of this object
  std::uint64_t leaks_ = 0;
  bool damaged_ = false;
  bool table_counted_ = false; // the table is inside the file, so its clusters are counted
  bool has_low_refcounts_ = false;
  bool has_zero_refcounts_ = false;
};

} // namespace qcow2

#endif
