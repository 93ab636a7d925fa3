// Refcounts that cannot be right, or not be read: reading goes on without them, and a write that
// needs them marks the image.
#include "tests/support/qcow2-disk.h"

namespace qcow2_dedup {
namespace {

using block::ErrorKind;
using block::Graph;
using block::Qcow2Disk;
using block::Result;

class DamagedRefcounts : public testing::Test {
protected:
  DamagedRefcounts() {
    disk.write(0, disk.pattern(1) + disk.pattern(2) + disk.pattern(1));
    EXPECT_TRUE(succeeded(disk.close()));
    table = disk.header().refcount_table_offset.value();
  }

  void expect_readable() {
    disk.open({{"read-only", "on"}});
    EXPECT_TRUE(disk.holds(0, disk.pattern(1) + disk.pattern(2) + disk.pattern(1)));
    EXPECT_EQ(disk.status(0).owners, 0u); // not known
    EXPECT_TRUE(disk.status(0).host_offset.has_value());
    EXPECT_TRUE(succeeded(disk.node().get_info()));
    EXPECT_TRUE(succeeded(disk.close()));
  }
  block::CheckReport check(bool repair) {
    Graph::OpenDefaults defaults;
    defaults.for_check = true;
    defaults.read_only = !repair;
    disk.open({}, defaults);
    block::CheckRequest request;
    request.repair_errors = request.repair_leaks = repair;
    Result<block::CheckReport> report = disk.node().check(request);
    EXPECT_TRUE(succeeded(report));
    EXPECT_TRUE(succeeded(disk.close()));
    return report ? *report : block::CheckReport();
  }
  void expect_repairable() {
    EXPECT_GT(check(false).corruptions, 0u);
    block::CheckReport repaired = check(true);
    EXPECT_EQ(repaired.corruptions + repaired.check_errors, 0u);
    disk.expect_clean();
    disk.open();
    EXPECT_TRUE(disk.holds(0, disk.pattern(1) + disk.pattern(2) + disk.pattern(1)));
    disk.write(1, disk.pattern(9));
    disk.write(9, disk.pattern(1));
    EXPECT_EQ(disk.refcount_of(9), 3u);
  }

  Qcow2Disk disk;
  std::uint64_t table;
};

class BadTableEntry : public DamagedRefcounts, public testing::WithParamInterface<std::uint64_t> {};

TEST_P(BadTableEntry, MattersToWritesOnly) {
  disk.set_file64(table, GetParam());
  disk.record_tables_digest(); // or the dedup table would be given up
  expect_readable();
  disk.open();
  EXPECT_TRUE(disk.holds(0, disk.pattern(1) + disk.pattern(2)));
  EXPECT_FALSE(disk.header().corrupt());
  EXPECT_EQ(kind_of(disk.try_write(5, disk.pattern(3))), ErrorKind::corrupt);
  EXPECT_TRUE(disk.header().corrupt());
  (void)disk.close();
  expect_readable();
  EXPECT_EQ(kind_of(disk.try_open()), ErrorKind::corrupt);
  expect_repairable();
}

INSTANTIATE_TEST_SUITE_P(DamagedRefcounts, BadTableEntry,
                         testing::Values(0x1234, std::uint64_t{1} << 40, std::uint64_t{1} << 60,
                                         ~std::uint64_t{0}));

TEST_F(DamagedRefcounts, ATableOutsideTheFileIsRefusedToWriters) {
  disk.set_file64(qcow2::header_refcount_table_field, std::uint64_t{1} << 40);
  expect_readable();
  EXPECT_EQ(kind_of(disk.try_open()), ErrorKind::corrupt);
  expect_repairable();
}

TEST_F(DamagedRefcounts, ATableThatCannotBeReadIsRefusedToWriters) {
  disk.file->fail_reads_of(table);
  expect_readable();
  EXPECT_EQ(kind_of(disk.try_open()), ErrorKind::io);
  block::CheckReport repaired = check(true);
  EXPECT_EQ(repaired.corruptions + repaired.check_errors, 0u);
  disk.open(); // the table has another place now
  EXPECT_TRUE(disk.holds(0, disk.pattern(1) + disk.pattern(2)));
  disk.write(5, disk.pattern(3));
  EXPECT_TRUE(succeeded(disk.close()));
  disk.file->heal();
  disk.expect_clean();
}

} // namespace
} // namespace qcow2_dedup
