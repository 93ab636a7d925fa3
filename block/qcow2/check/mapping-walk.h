// MappingWalk: walks the L1 table and its L2 tables, counts the clusters that they name, and checks
// entries.
#ifndef BLOCK_QCOW2_CHECK_MAPPING_WALK_H
#define BLOCK_QCOW2_CHECK_MAPPING_WALK_H

#include "block/qcow2/check/check.h"
#include "block/qcow2/check/stored-refcounts.h"

namespace qcow2 {

// Used in this order: load, count, check_copied. An L2 table that several L1 entries name is read
// once in each pass, and its references are counted once for each of these entries. One thread; the
// arguments of the constructor must outlive the object.
class MappingWalk {
public:
  MappingWalk(HostFile& file, const Header& header, References& references,
              CheckFindings& findings);

  // Reads the L1 table.
  Result<void> load();

  // First pass: counts every reference and checks that each entry is well-formed. An L2 table that
  // cannot be found or read is a finding, and makes the references incomplete. `step` is called
  // after each L1 entry, here and in the second pass.
  Result<void> count(const CheckStep& step);

  // Second pass: compares COPIED flags with refcounts, as far as these are reliable, and corrects
  // the flags if `repair`. Passes each data reference to `client`, which may be null.
  Result<void> check_copied(const StoredRefcounts& stored, bool repair, CheckClient* client,
                            const CheckStep& step);

  // Passes all data references to the client once more.
  Result<void> tell_references(CheckClient& client);

private:
  using VisitTable =
      std::function<Result<void>(std::size_t l1_index, HostOffset table, std::uint64_t times)>;

  HostOffset table_offset(std::size_t l1_index) const;
  // The first guest byte that the L1 entry maps.
  GuestOffset guest_start(std::size_t l1_index) const;
  Result<void> for_each_table(const CheckStep& step,
                              const std::function<void(std::size_t l1_index)>& visit_entry,
                              const VisitTable& visit_table);
  void check_l1_entry(std::size_t l1_index);
  Result<void> count_table(std::size_t l1_index, HostOffset table, std::uint64_t times);
  void count_compressed(L2Entry entry, std::uint64_t times);
  Result<void> check_table_copied(std::size_t l1_index, HostOffset table,
                                  const StoredRefcounts& stored, bool repair, CheckClient* client);
  void tell_reference(CheckClient& client, std::size_t l1_index, std::size_t at, HostOffset host);
  Result<void> store_l1();

  HostFile& file_;
  const Header& header_;
  References& references_;
  CheckFindings& findings_;
  ClusterSize cluster_size_;
  TableReader reader_;
  std::vector<std::uint64_t> l1_;
  std::vector<bool> changed_l1_pages_; // pages of l1_page_entries entries
};

} // namespace qcow2

#endif
