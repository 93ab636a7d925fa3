// StoredRefcounts: the refcount table and blocks of an image, compared with what a walk counted.
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

// Used in this order: load, count_structure, compare, then repair_in_place or the rebuilding of
// repair-rebuild.h. One thread; the arguments of the constructor must outlive the object.
class StoredRefcounts {
public:
  StoredRefcounts(HostFile& file, const Header& header, References& references,
                  CheckFindings& findings);

  // Reads the refcount table. One that cannot be read is a finding.
  void load();
  std::uint64_t table_entries() const { return table_.size(); }

  // Counts the references to the table and to its blocks; a block that cannot be what it is named
  // as is a finding.
  void count_structure();

  // Compares every refcount with the references counted. `step` is called after each table entry.
  void compare(const CheckStep& step);

  // Part of the structure cannot be trusted or is missing: only a new one helps.
  bool damaged() const { return damaged_; }
  // A cluster has more references than its refcount says.
  bool has_low_refcounts() const { return has_low_refcounts_; }
  // A cluster in use has refcount 0.
  bool has_zero_refcounts() const { return has_zero_refcounts_; }
  // Findings that a new structure mends.
  std::uint64_t corruptions() const { return corruptions_; }
  std::uint64_t leaks() const { return leaks_; }
  // One beyond the last cluster that is in use or has a refcount.
  HostCluster end() const { return end_; }

  // Corrects refcounts in the blocks that are there: lower ones if `lower`, higher ones if `raise`.
  Result<void> repair_in_place(bool lower, bool raise);

  // Whether the table and every block that it names are sound.
  bool sound() const;
  bool has_block(std::uint64_t index) const {
    return index < states_.size() && counted(states_[index]);
  }
  // Names blocks, in ascending order, that were missing in a sound structure. Each holds the
  // refcounts of all its clusters by now, and is counted itself. Its own refcount is durable before
  // the table names it.
  Result<void> add_blocks(std::span<const NewBlock> blocks);

  // Clears the refcounts of clusters beyond the end of the file. A power cut loses clusters that
  // were counted already; when the file has grown again, they would be leaks.
  Result<void> clear_beyond_end();

  // The refcount stored for a cluster that an entry names; nothing if it cannot be read.
  std::optional<std::uint64_t> stored(HostCluster cluster) const;

  // For a new structure in place of this one. Adds the refcounts of sound blocks that are higher
  // than what is counted.
  Result<void> collect_higher(ClusterCounts& higher);
  // Takes back the references to this structure, and tells each of its clusters, in order, with its
  // count before and after.
  using VisitReleased =
      std::function<void(HostCluster cluster, std::uint64_t before, std::uint64_t after)>;
  void release_structure(const VisitReleased& visit);
  // The new structure is in place: every refcount is what is counted, or what `higher` says.
  void replaced(const ClusterCounts& higher);

  std::uint64_t clusters_per_block() const { return clusters_per_block_; }

private:
  enum class BlockState : std::uint8_t {
    none,        // not allocated
    sound,       // alone in its cluster
    overlapping, // something else lies in its cluster
    duplicate,   // an earlier table entry names the same block
    unreadable,
    rejected, // the table entry cannot be right; nothing is counted for it
  };

  // A small part of a block, with the refcount of one cluster.
  struct RefcountWord {
    HostOffset place;
    std::size_t field = 0; // of these in `fields`
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
  std::vector<std::size_t> wrong_blocks_; // that hold a refcount which differs
  // For referenced clusters whose refcount differs: the refcount, plus one.
  ClusterCounts differing_;
  HostCluster end_;
  std::uint64_t corruptions_ = 0; // findings of this object
  std::uint64_t leaks_ = 0;
  bool damaged_ = false;
  bool table_counted_ = false; // the table lies where clusters are counted
  bool has_low_refcounts_ = false;
  bool has_zero_refcounts_ = false;
};

} // namespace qcow2

#endif
