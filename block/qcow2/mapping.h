// Mapping: the map of one virtual disk, guest cluster -> L2 entry: an L1 root with its size.
//
// The image (allocator, refcounts, caches) is a separate object, because one image may carry
// several such roots that share clusters: snapshots, later further disks.
#ifndef BLOCK_QCOW2_MAPPING_H
#define BLOCK_QCOW2_MAPPING_H

#include "block/qcow2/allocator.h"
#include "block/qcow2/mapped-range.h"
#include "block/qcow2/pointer-table.h"

namespace qcow2 {

// Not synchronised: the image's metadata lock guards it.
class Mapping {
public:
  // The L2 tables come from the image's cache. New tables are created for `tables_at_once`
  // neighbouring L1 entries at a time, in one piece of the file, if there is room. Such a piece is
  // also read at once.
  Mapping(HostFile& file, TableCache& l2_tables, Allocator& allocator, ClusterSize cluster_size,
          std::size_t tables_at_once);

  // Reads the L1 table. Errors: those of the read. An entry that names no cluster of the file makes
  // only the lookups fail that need it.
  Result<void> load(HostOffset l1_offset, std::uint32_t l1_entries, std::uint64_t guest_size);
  // For a writer, which needs all references. Errors: corrupt, if there is such an entry.
  Result<void> check_l1() const;

  std::uint64_t guest_size() const { return guest_size_; }
  std::uint64_t guest_clusters() const { return cluster_size_.clusters_for(guest_size_); }

  // Returns the range that begins at `offset`, which must be within the L1 table: at most `bytes`
  // bytes, and not beyond its L2 table. Errors: corrupt (the entry of the first cluster is
  // unaligned, has reserved bits, or names a cluster beyond the file), unsupported (compressed),
  // those of reading the L2 table.
  Result<MappedRange> range(GuestOffset offset, std::uint64_t bytes);
  // Returns the entry of a cluster, for code that changes it. Preconditions and errors as for
  // range().
  Result<L2Entry> entry(GuestCluster cluster);
  // Stores an entry; allocates the L2 table if there is none. The caller must count the references.
  Result<void> set_entry(GuestCluster cluster, L2Entry entry);
  // Ensures that set_entry() on these clusters needs no further space. Errors: no_space and others
  // of allocation.
  Result<void> prepare(GuestCluster first, std::uint64_t clusters);
  // Clears COPIED of the entry if it names the host cluster `expected`. Returns whether it names
  // it.
  Result<bool> clear_copied(GuestCluster cluster, HostCluster expected);

  // Sets the size; the L1 table must be long enough for it.
  void set_guest_size(std::uint64_t bytes) { guest_size_ = bytes; }
  // For growing and for the write-back.
  PointerTable& l1() { return l1_; }

  // Returns the host offsets of all L2 tables, in guest order.
  std::vector<HostOffset> l2_tables() const;

private:
  std::uint64_t entries_per_l2() const { return cluster_size_.bytes() / table_entry_bytes; }
  std::size_t l1_index(GuestCluster cluster) const { return cluster.value() / entries_per_l2(); }
  std::size_t l2_index(GuestCluster cluster) const { return cluster.value() % entries_per_l2(); }
  Result<Table*> l2_table(GuestCluster cluster); // null if there is none
  Result<Table*> l2_table_for_writing(GuestCluster cluster);
  // Reads the table of an L1 entry together with its neighbours in the file.
  void read_ahead(std::size_t index);
  // Creates tables for these L1 entries, which have none.
  Result<void> create_tables(std::size_t first, std::size_t count);
  // Returns (first, count) of the neighbours of an L1 entry, itself included, for which `holds` is
  // true: as many as are created or read at once.
  template <typename Holds>
  std::pair<std::size_t, std::size_t> group(std::size_t index, Holds holds) const;
  // Whether the L1 entry is empty or names a cluster of the file.
  bool names_a_table(std::size_t index) const;
  static block::Error bad_l1_entry(std::size_t index);
  // Whether the entry names a cluster of the file or none.
  bool is_sound(L2Entry entry) const;
  block::Error bad_l2_entry(GuestCluster cluster, L2Entry entry) const;

  HostFile& file_;
  TableCache& l2_tables_;
  Allocator& allocator_;
  ClusterSize cluster_size_;
  const std::size_t tables_at_once_;
  std::uint64_t guest_size_ = 0;
  PointerTable l1_; // entries: host offset of an L2 table, COPIED
};

} // namespace qcow2

#endif
