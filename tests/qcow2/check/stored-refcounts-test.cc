// Tests of what a check finds in the refcount structure, and of how it repairs it.
#include "tests/qcow2/check/check-image.h"

#include <algorithm>
#include <gtest/gtest.h>

namespace qcow2 {
namespace {

using Lines = std::vector<std::string>;

bool contains(const Lines& lines, const std::string& line) {
  return std::find(lines.begin(), lines.end(), line) != lines.end();
}

// Repairs, and expects that data is as before and that neither we nor stock find anything more.
CheckOutcome repaired(CheckImage& image) {
  auto data = image.data_bytes();
  CheckOutcome outcome = image.repair_all();
  EXPECT_EQ(outcome.error, "");
  EXPECT_EQ(image.data_bytes(), data);
  EXPECT_EQ(outcome.report.corruptions, 0u);
  EXPECT_EQ(outcome.report.leaks, 0u);
  EXPECT_EQ(image.check().lines, Lines());
  EXPECT_LE(image.stock_check(), 0);
  return outcome;
}

TEST(CheckRefcounts, FreesALeakAndKeepsItForARepairOfNothing) {
  CheckImage image;
  image.set_refcount(6, 3);
  image.set_l2_entry(1, image.l2_entry(1) & ~copied_flag);
  CheckOutcome found = image.check();
  EXPECT_EQ(found.lines, Lines{"Leaked cluster 6 refcount=3 reference=1"});
  EXPECT_EQ(found.report.leaks, 1u);
  CheckOutcome outcome = image.check(true, false);
  EXPECT_EQ(outcome.lines,
            (Lines{"Leaked cluster 6 refcount=3 reference=1",
                   "Repairing cluster 6 refcount=3 reference=1",
                   "Repairing OFLAG_COPIED data cluster: l2_entry=60000 refcount=1"}));
  EXPECT_EQ(outcome.report.leaks, 0u);
  EXPECT_EQ(outcome.report.leaks_fixed, 1u);
  EXPECT_EQ(image.check().lines, Lines());
  EXPECT_LE(image.stock_check(), 0);
}

TEST(CheckRefcounts, ARepairOfLeaksLeavesErrors) {
  CheckImage image;
  image.set_l2_entry(30, image.l2_entry(2));
  image.set_l2_entry(0, 0);
  CheckOutcome outcome = image.check(true, false);
  EXPECT_EQ(outcome.report.leaks_fixed, 1u);
  EXPECT_EQ(outcome.report.corruptions, 1u);
  EXPECT_EQ(image.refcount(5), 0u);
  EXPECT_EQ(image.refcount(7), 1u);
}

TEST(CheckRefcounts, RebuildsTheStructureWhenAClusterInUseHasNoRefcount) {
  CheckImage image;
  image.set_refcount(5, 0);
  EXPECT_EQ(image.check().lines,
            (Lines{"ERROR cluster 5 refcount=0 reference=1",
                   "ERROR OFLAG_COPIED data cluster: l2_entry=8000000000050000 refcount=0"}));
  CheckOutcome outcome = repaired(image);
  EXPECT_EQ(outcome.lines,
            (Lines{"ERROR cluster 5 refcount=0 reference=1", "Rebuilding refcount structure",
                   "Repairing cluster 1 refcount=1 reference=0",
                   "Repairing cluster 2 refcount=1 reference=0"}));
  EXPECT_EQ(outcome.report.corruptions_fixed, 1u);
  EXPECT_EQ(outcome.report.leaks_fixed, 0u);
  EXPECT_EQ(image.refcount(1), 0u);
  EXPECT_EQ(image.header().refcount_table_offset, HostOffset(13 * 65536));
}

TEST(CheckRefcounts, SaysThatARepairOfLeaksIsNotEnoughToRebuild) {
  CheckImage image;
  image.set_refcount(5, 0);
  auto before = image.bytes();
  EXPECT_TRUE(
      contains(image.check(true, false).lines, "ERROR need to rebuild refcount structures"));
  EXPECT_EQ(image.bytes(), before);
}

TEST(CheckRefcounts, RaisesRefcountsInPlaceAfterACrash) {
  CheckImage image;
  image.set_refcount(5, 0);
  image.set_refcount(6, 2);
  image.set_features(bit(incompatible::dirty_bit));
  CheckOutcome outcome = image.repair_after_crash();
  EXPECT_EQ(outcome.report.corruptions_fixed, 1u);
  EXPECT_EQ(outcome.report.leaks_fixed, 1u);
  EXPECT_EQ(image.header().refcount_table_offset, HostOffset(65536));
  EXPECT_EQ(image.features(), 0u);
  EXPECT_EQ(image.check().lines, Lines());
  EXPECT_LE(image.stock_check(), 0);
}

// They would come to light as leaks when the file has grown, and no opener would clear them any
// more.
TEST(CheckRefcounts, ClearsRefcountsBeyondTheFileOfADirtyImage) {
  for (bool dirty : {false, true})
    for (bool all : {false, true}) {
      CheckImage image;
      image.set_features(dirty ? bit(incompatible::dirty_bit) : 0);
      image.set_refcount(image.end() + 3, 1);
      EXPECT_EQ(image.check(true, all).lines, Lines());
      EXPECT_EQ(image.features(), 0u);
      EXPECT_EQ(image.refcount(image.end() + 3), dirty ? 0u : 1u);
    }
}

TEST(CheckRefcounts, ClearsDirtyAndCorruptWhenNothingIsWrong) {
  CheckImage image;
  image.set_features(bit(incompatible::dirty_bit) | bit(incompatible::corrupt_bit));
  EXPECT_EQ(image.check().lines, Lines());
  EXPECT_EQ(image.features(), 3u);
  image.repair_all();
  EXPECT_EQ(image.features(), 0u);
}

TEST(CheckRefcounts, KeepsDirtyAndCorruptWhileCorruptionIsLeft) {
  CheckImage image;
  image.set_features(bit(incompatible::dirty_bit) | bit(incompatible::corrupt_bit));
  image.set_l2_entry(0, 0x8000000000050002);
  image.repair_all();
  EXPECT_EQ(image.features(), 3u);
}

struct TableDamage {
  const char* name;
  std::uint64_t index;
  std::uint64_t entry;
  std::string line;
};

void PrintTo(const TableDamage& damage, std::ostream* out) {
  *out << damage.name;
}

class DamagedRefcountTable : public testing::TestWithParam<TableDamage> {};

TEST_P(DamagedRefcountTable, IsReportedAndRebuiltWithoutTouchingData) {
  CheckImage image;
  image.set_refcount_table_entry(GetParam().index, GetParam().entry);
  CheckOutcome found = image.check();
  EXPECT_EQ(found.lines.at(0), GetParam().line);
  EXPECT_GE(found.report.corruptions, 1u);
  CheckOutcome outcome = repaired(image);
  EXPECT_TRUE(contains(outcome.lines, "Rebuilding refcount structure"));
  EXPECT_GE(outcome.report.corruptions_fixed, 1u);
  EXPECT_EQ(image.refcount(image.data()), 1u);
}

INSTANTIATE_TEST_SUITE_P(
    CheckRefcounts, DamagedRefcountTable,
    testing::Values(
        TableDamage{"missing", 0, 0, "ERROR cluster 0 refcount=0 reference=1"},
        TableDamage{
            "unaligned", 0, 0x20200,
            "ERROR refcount block 0 is not cluster aligned; refcount table entry corrupted"},
        TableDamage{"outside", 0, 0x2020000, "ERROR refcount block 0 is outside image"},
        TableDamage{"reserved", 0, 0x20001, "ERROR refcount table entry 0 has reserved bits set"},
        TableDamage{"high", 0, 0x8000000000020000,
                    "ERROR refcount table entry 0 has reserved bits set"},
        TableDamage{"itself", 0, 0x10000, "ERROR refcount block 0 refcount=2"},
        TableDamage{"l1", 0, 0x30000, "ERROR refcount block 0 refcount=2"},
        TableDamage{"l2", 0, 0x40000, "ERROR refcount block 0 refcount=2"},
        TableDamage{"data", 0, 0x50000, "ERROR refcount block 0 refcount=2"},
        TableDamage{"twice", 1, 0x20000, "ERROR refcount block 1 refcount=2"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(CheckRefcounts, MovesARefcountBlockThatAnL2EntryNames) {
  CheckImage image;
  image.set_l2_entry(0, 0x8000000000020000);
  CheckOutcome outcome = repaired(image);
  EXPECT_TRUE(contains(outcome.lines, "ERROR refcount block 0 refcount=2"));
  EXPECT_TRUE(contains(outcome.lines, "Repairing cluster 2 refcount=2 reference=1"));
  // The entry is the only owner of the cluster now, which is left as it is.
  EXPECT_EQ(image.l2_entry(0), 0x8000000000020000);
  EXPECT_EQ(image.refcount(2), 1u);
}

TEST(CheckRefcounts, RebuildsWithoutForgettingWhatAnUnreadableL2TableMayName) {
  CheckImage image;
  image.set_l1_entry(0, 0x8000000000040200);
  image.set_refcount(0, 0);
  CheckOutcome outcome = image.repair_all();
  EXPECT_TRUE(contains(outcome.lines, "Rebuilding refcount structure"));
  EXPECT_EQ(outcome.report.corruptions, 1u);
  for (std::uint64_t i = 1; i < 8; ++i)
    EXPECT_EQ(image.refcount(image.data(i)), 1u);
  EXPECT_EQ(image.check().report.corruptions, 1u);
}

struct Shape {
  unsigned cluster_bits;
  unsigned refcount_order;
};

class EveryShape : public testing::TestWithParam<Shape> {
protected:
  CheckImage image{{GetParam().cluster_bits, GetParam().refcount_order, 60,
                    GetParam().cluster_bits == 21 ? 3u : 40u}};
};

TEST_P(EveryShape, IsSoundAsMade) {
  EXPECT_EQ(image.check().lines, Lines());
  EXPECT_LE(image.stock_check(), 0);
}

TEST_P(EveryShape, HasItsRefcountsRebuilt) {
  for (std::uint64_t cluster = 0; cluster < image.end(); ++cluster)
    image.set_refcount(cluster, 0);
  repaired(image);
  for (std::uint64_t cluster = image.l1(); cluster < image.end(); ++cluster)
    ASSERT_EQ(image.refcount(cluster), 1u);
}

TEST_P(EveryShape, HasALeakFreed) {
  image.set_l2_entry(2, 0);
  CheckOutcome outcome = repaired(image);
  EXPECT_EQ(outcome.report.leaks_fixed, 1u);
  EXPECT_EQ(image.refcount(image.data(2)), 0u);
}

TEST_P(EveryShape, CountsASharedClusterAsFarAsARefcountCan) {
  image.set_l2_entry(50, image.l2_entry(0));
  CheckOutcome outcome = image.repair_all();
  if (GetParam().refcount_order > 0) {
    EXPECT_EQ(outcome.report.corruptions, 0u);
    EXPECT_EQ(image.refcount(image.data(0)), 2u);
    EXPECT_LE(image.stock_check(), 0);
    EXPECT_EQ(image.check().lines, Lines());
  } else {
    EXPECT_EQ(outcome.lines.at(0).substr(0, 30), "ERROR: overflow cluster offset");
    EXPECT_EQ(outcome.report.corruptions, 1u);
  }
}

INSTANTIATE_TEST_SUITE_P(CheckRefcounts, EveryShape,
                         testing::Values(Shape{9, 0}, Shape{9, 3}, Shape{9, 4}, Shape{9, 6},
                                         Shape{12, 1}, Shape{12, 5}, Shape{16, 2}, Shape{16, 4},
                                         Shape{16, 6}, Shape{21, 0}, Shape{21, 4}),
                         [](const auto& test) {
                           return "ClusterBits" + std::to_string(test.param.cluster_bits) +
                                  "RefcountBits" + std::to_string(1 << test.param.refcount_order);
                         });

} // namespace
} // namespace qcow2
