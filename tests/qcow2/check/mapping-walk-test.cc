// Tests of what a check finds in L1 and L2 tables, and of how it repairs them.
#include "tests/qcow2/check/check-image.h"

#include <gtest/gtest.h>

namespace qcow2 {
namespace {

using Lines = std::vector<std::string>;

// Repairs, and expects that data is as before and that neither we nor stock find anything more.
CheckOutcome repaired(CheckImage& image) {
  auto data = image.data_bytes();
  CheckOutcome outcome = image.repair_all();
  EXPECT_EQ(outcome.error, "");
  EXPECT_EQ(image.data_bytes(), data);
  EXPECT_EQ(image.check().lines, Lines());
  EXPECT_LE(image.stock_check(), 0);
  return outcome;
}

// Damage that is reported, but must stay as it is: nothing may change in the file.
void expect_left_alone(CheckImage& image, const Lines& lines) {
  auto before = image.bytes();
  CheckOutcome outcome = image.repair_all();
  EXPECT_EQ(outcome.lines, lines);
  EXPECT_EQ(outcome.report.corruptions, lines.size());
  EXPECT_EQ(outcome.report.corruptions_fixed, 0u);
  EXPECT_EQ(image.bytes(), before);
}

TEST(CheckMapping, FindsNothingInASoundImageAndCountsItsClusters) {
  CheckImage image;
  CheckOutcome outcome = image.check();
  EXPECT_EQ(outcome.error, "");
  EXPECT_EQ(outcome.lines, Lines());
  EXPECT_EQ(outcome.report.total_clusters, 64u);
  EXPECT_EQ(outcome.report.allocated_clusters, 8u);
  EXPECT_EQ(outcome.report.fragmented_clusters, 0u);
  EXPECT_EQ(outcome.report.compressed_clusters, 0u);
  EXPECT_EQ(outcome.report.image_end_offset, 13u * 65536);
  EXPECT_LE(image.stock_check(), 0);
}

TEST(CheckMapping, RefusesAnImageWithBitmapsBecauseItWouldFreeThem) {
  CheckImage image;
  image.set64(header_features_field + 16, bit(autoclear::bitmaps_bit));
  image.set_refcount(6, 3);
  auto before = image.bytes();
  EXPECT_EQ(image.repair_all().error, "images with persistent bitmaps cannot be checked yet");
  EXPECT_EQ(image.bytes(), before);
}

TEST(CheckMapping, CountsAClusterThatDoesNotFollowItsPredecessorAsFragmented) {
  CheckImage image;
  std::uint64_t second = image.l2_entry(1);
  image.set_l2_entry(1, image.l2_entry(2));
  image.set_l2_entry(2, second);
  EXPECT_EQ(image.check().report.fragmented_clusters, 3u);
}

TEST(CheckMapping, CountsACompressedClusterAndTheHostClustersItTouches) {
  CheckImage image;
  // 2 sectors from the last sector of the first data cluster on: it touches the second one too.
  std::uint64_t offset = image.offset(image.data(1)) - 512;
  image.set_l2_entry(20, compressed_flag | std::uint64_t{1} << 54 | offset);
  image.set_l2_entry(0, image.l2_entry(0) & ~copied_flag);
  image.set_l2_entry(1, image.l2_entry(1) & ~copied_flag);
  image.set_refcount(image.data(0), 2);
  image.set_refcount(image.data(1), 2);
  CheckOutcome outcome = image.check();
  EXPECT_EQ(outcome.lines, Lines());
  EXPECT_EQ(outcome.report.allocated_clusters, 9u);
  EXPECT_EQ(outcome.report.compressed_clusters, 1u);
  EXPECT_EQ(outcome.report.fragmented_clusters, 1u);
  EXPECT_LE(image.stock_check(), 0);
}

TEST(CheckMapping, RejectsCopiedOnACompressedCluster) {
  CheckImage image;
  image.set_l2_entry(0, image.l2_entry(0) | compressed_flag);
  expect_left_alone(
      image, {"ERROR: coffset=0x50000: copied flag must never be set for compressed clusters"});
}

TEST(CheckMapping, SetsAMissingCopiedFlagOfADataCluster) {
  CheckImage image;
  image.set_l2_entry(3, image.l2_entry(3) & ~copied_flag);
  CheckOutcome found = image.check();
  EXPECT_EQ(found.lines, Lines{"ERROR OFLAG_COPIED data cluster: l2_entry=80000 refcount=1"});
  EXPECT_EQ(found.report.corruptions, 1u);
  CheckOutcome outcome = repaired(image);
  EXPECT_EQ(outcome.lines, Lines{"Repairing OFLAG_COPIED data cluster: l2_entry=80000 refcount=1"});
  EXPECT_EQ(outcome.report.corruptions_fixed, 1u);
  EXPECT_EQ(image.l2_entry(3), 0x8000000000080000);
}

TEST(CheckMapping, SetsAMissingCopiedFlagOfAnL2Table) {
  CheckImage image;
  image.set_l1_entry(0, 0x40000);
  EXPECT_EQ(repaired(image).lines,
            Lines{"Repairing OFLAG_COPIED L2 cluster: l1_index=0 l1_entry=40000 refcount=1"});
  EXPECT_EQ(image.l1_entry(0), 0x8000000000040000);
}

TEST(CheckMapping, ClearsCopiedOfEveryOwnerOfASharedCluster) {
  CheckImage image;
  image.set_l2_entry(30, image.l2_entry(2));
  CheckOutcome outcome = repaired(image);
  EXPECT_EQ(
      outcome.lines,
      (Lines{"ERROR cluster 7 refcount=1 reference=2", "Repairing cluster 7 refcount=1 reference=2",
             "Repairing OFLAG_COPIED data cluster: l2_entry=8000000000070000 refcount=2",
             "Repairing OFLAG_COPIED data cluster: l2_entry=8000000000070000 refcount=2"}));
  EXPECT_EQ(outcome.report.corruptions_fixed, 3u);
  EXPECT_EQ(outcome.report.corruptions, 0u);
  EXPECT_EQ(image.refcount(7), 2u);
}

TEST(CheckMapping, AcceptsASharedClusterWithoutCopied) {
  CheckImage image;
  image.set_l2_entry(2, 0x70000);
  image.set_l2_entry(30, 0x70000);
  image.set_refcount(7, 2);
  EXPECT_EQ(image.check().lines, Lines());
}

TEST(CheckMapping, MakesAnL2TableThatIsAlsoDataSafeToWrite) {
  CheckImage image;
  image.set_l2_entry(0, image.offset(image.l2()) | copied_flag);
  CheckOutcome outcome = repaired(image);
  EXPECT_EQ(outcome.report.corruptions_fixed, 3u);
  EXPECT_EQ(outcome.report.leaks_fixed, 1u);
  EXPECT_EQ(image.refcount(image.l2()), 2u);
  EXPECT_EQ(image.l1_entry(0) & copied_flag, 0u);
}

TEST(CheckMapping, ReportsReservedBitsAndLeavesThem) {
  CheckImage image;
  image.set_l2_entry(0, 0x8000000000050002);
  expect_left_alone(image, {"ERROR found l2 entry with reserved bits set: 8000000000050002"});
  CheckImage other;
  other.set_l1_entry(0, 0x8100000000040000);
  expect_left_alone(other, {"ERROR found L1 entry with reserved bits set: 8100000000040000"});
}

TEST(CheckMapping, TurnsAMisalignedZeroClusterIntoAPlainOne) {
  CheckImage image;
  image.set_l2_entry(0, 0x8000000000050201);
  CheckOutcome outcome = repaired(image);
  EXPECT_EQ(outcome.lines,
            (Lines{"Repairing offset=50200: Preallocated cluster is not properly aligned; L2 entry "
                   "corrupted.",
                   "Leaked cluster 5 refcount=1 reference=0",
                   "Repairing cluster 5 refcount=1 reference=0"}));
  EXPECT_EQ(image.l2_entry(0), 1u);
}

TEST(CheckMapping, ReportsADataClusterThatIsNotAligned) {
  CheckImage image;
  image.set_l2_entry(0, 0x8000000000050200);
  CheckOutcome outcome = image.repair_all();
  EXPECT_EQ(outcome.lines[0],
            "ERROR offset=50200: Data cluster is not properly aligned; L2 entry corrupted.");
  EXPECT_EQ(outcome.report.corruptions, 1u);
  EXPECT_EQ(image.l2_entry(0), 0x8000000000050200);
  EXPECT_EQ(image.check().report.corruptions, 1u);
}

TEST(CheckMapping, ReportsADataClusterPastTheEndOfTheFile) {
  CheckImage image;
  image.set_l2_entry(0, 0x8000000001050000);
  CheckOutcome outcome = image.repair_all();
  EXPECT_EQ(outcome.lines[0],
            "ERROR: counting reference for region exceeding the end of the file by "
            "one cluster or more: offset 0x1050000 size 0x10000");
  EXPECT_EQ(outcome.report.corruptions, 1u);
  EXPECT_EQ(image.check().report.corruptions, 1u);
}

TEST(CheckMapping, KeepsTheClustersOfAnL2TableThatCannotBeFound) {
  for (std::uint64_t entry : {0x8000000000040200u, 0x8000000001040000u}) {
    CheckImage image;
    image.set_l1_entry(0, entry);
    CheckOutcome outcome = image.repair_all();
    EXPECT_EQ(outcome.report.leaks_fixed, 0u);
    EXPECT_GE(outcome.report.corruptions, 1u);
    for (std::uint64_t i = 0; i < 8; ++i)
      EXPECT_EQ(image.refcount(image.data(i)), 1u);
    // Once the entry is mended by hand, everything is there.
    image.set_l1_entry(0, 0x8000000000040000);
    image.repair_all();
    EXPECT_EQ(image.check().report.allocated_clusters, 8u);
    EXPECT_LE(image.stock_check(), 0);
  }
}

TEST(CheckMapping, ReadsAnL2TableOnceHoweverOftenItIsNamed) {
  // 64 entries name the table with 8 data clusters.
  CheckImage image;
  Header header = image.header();
  header.l1_entries = 64;
  image.set64(header_l1_field - 4, std::uint64_t{64});
  for (std::uint64_t i = 0; i < 64; ++i)
    image.set_l1_entry(i, image.offset(image.l2()));
  CheckOutcome outcome = image.check();
  EXPECT_EQ(outcome.report.allocated_clusters, 8u * 64);
  EXPECT_EQ(outcome.lines[0], "ERROR cluster 4 refcount=1 reference=64");
  EXPECT_EQ(outcome.lines[1], "ERROR cluster 5 refcount=1 reference=64");
  repaired(image);
  EXPECT_EQ(image.refcount(image.data()), 64u);
}

} // namespace
} // namespace qcow2
