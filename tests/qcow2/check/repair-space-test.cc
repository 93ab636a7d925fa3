// Tests that refcounts are repaired where the host has no more space, in clusters of the file that
// nothing names.
#include "tests/qcow2/check/check-image.h"

#include <algorithm>
#include <gtest/gtest.h>

namespace qcow2 {
namespace {

using Lines = std::vector<std::string>;

// An image on a full host. Behind its data lie free clusters and then one of guest cluster 40.
class FullHost : public testing::Test {
protected:
  static constexpr std::uint64_t unaligned_entry = 0x20200;

  FullHost() { image.set_full(); }

  void add_free_clusters(std::uint64_t clusters) {
    image.bytes().resize(image.offset(last() + clusters + 2));
    set_data(40, last());
  }
  std::uint64_t last() const { return image.bytes().size() / image.cluster_bytes() - 1; }
  void set_data(std::uint64_t guest_cluster, std::uint64_t cluster) {
    image.set_l2_entry(guest_cluster, image.offset(cluster) | copied_flag);
    image.set_refcount(cluster, 1);
  }

  CheckOutcome expect_repaired(CheckClient* client = nullptr) {
    const std::vector<std::byte> data = image.data_bytes();
    const std::size_t length = image.bytes().size();
    CheckOutcome outcome = image.repair_all(client);
    EXPECT_EQ(outcome.error, "");
    EXPECT_EQ(outcome.report.corruptions, 0u) << testing::PrintToString(outcome.lines);
    EXPECT_EQ(outcome.report.leaks, 0u);
    EXPECT_EQ(image.check().lines, Lines());
    EXPECT_LE(image.stock_check(), 0);
    EXPECT_EQ(image.data_bytes(), data);
    EXPECT_EQ(image.bytes().size(), length);
    return outcome;
  }
  void expect_unchanged() {
    const std::vector<std::byte> before = image.bytes();
    CheckOutcome outcome = image.repair_all();
    EXPECT_NE(outcome.error.find("no place for a new refcount structure"), std::string::npos);
    EXPECT_TRUE(image.bytes() == before);
  }

  CheckImage image;
};

TEST_F(FullHost, ANewStructureTakesFreeClustersOfTheFile) {
  add_free_clusters(2);
  image.set_refcount_table_entry(0, unaligned_entry);
  expect_repaired();
  EXPECT_EQ(image.refcount(CheckImage::refcount_table), 0u);
  EXPECT_LT(image.header().refcount_table_offset.value(), image.offset(last()));
}

TEST_F(FullHost, ANewStructureTakesClustersThatLeaked) {
  add_free_clusters(2);
  image.set_refcount(last() - 1, 1);
  image.set_refcount(last() - 2, 3);
  image.set_refcount_table_entry(0, unaligned_entry);
  expect_repaired();
}

TEST_F(FullHost, TheOldStructureIsNoFreePlace) {
  add_free_clusters(0);
  image.set_refcount_table_entry(1, image.offset(CheckImage::refcount_block)); // named twice
  expect_unchanged();
}

TEST_F(FullHost, WithoutAFreeClusterNothingIsChanged) {
  add_free_clusters(0);
  image.set_refcount_table_entry(0, unaligned_entry); // so the old block is free
  expect_unchanged();
}

TEST_F(FullHost, ATableNeedsNeighbours) {
  // 64 counts to a block, 64 blocks to a cluster of the table: this one needs two clusters.
  image = CheckImage({.cluster_bits = 9, .refcount_order = 6, .guest_clusters = 64});
  image.set_full();
  image.bytes().resize(image.offset(64 * 64 + 1));
  image.set_l2_entry(40, image.offset(last()) | copied_flag);
  expect_repaired();
  EXPECT_EQ(image.header().refcount_table_clusters, 2u);
}

TEST_F(FullHost, RefcountsThatAreTooLowAreRaisedInTheirBlocks) {
  add_free_clusters(0);
  for (std::uint64_t cluster = 0; cluster <= last(); ++cluster)
    image.set_refcount(cluster, 0);
  CheckOutcome outcome = expect_repaired();
  EXPECT_EQ(outcome.report.corruptions_fixed, last() + 1);
  EXPECT_EQ(image.header().refcount_table_offset.value(), image.offset(CheckImage::refcount_table));
}

// As a writer leaves it that filled the file and had a block in memory only: 512 counts to a block.
TEST_F(FullHost, ABlockThatIsMissingIsAddedIfNoMoreIsFree) {
  image = CheckImage(
      {.cluster_bits = 12, .refcount_order = 6, .guest_clusters = 512, .data_clusters = 506});
  image.set_full();
  const std::uint64_t only_free = image.end();
  ASSERT_EQ(only_free, 511u);
  image.bytes().resize(image.offset(514));
  image.set_l2_entry(506, image.offset(512) | copied_flag);
  image.set_l2_entry(507, image.offset(513) | copied_flag);
  image.set_refcount(only_free, 1); // a leak
  image.set_refcount(20, 0);
  CheckOutcome outcome = expect_repaired();
  EXPECT_EQ(outcome.report.corruptions_fixed, 3u);
  EXPECT_EQ(outcome.report.leaks_fixed, 1u);
  EXPECT_EQ(image.refcount(only_free), 1u);
  EXPECT_EQ(image.header().refcount_table_offset.value(), image.offset(CheckImage::refcount_table));
}

// Metadata that the image can do without.
class Hint : public CheckClient {
public:
  Hint(HostOffset offset, std::uint64_t bytes, std::uint64_t cluster_bytes = 65536)
      : offset_(offset), bytes_(bytes), cluster_bytes_(cluster_bytes) {}

  Result<void> claim_metadata(References& references, CheckFindings&) override {
    EXPECT_TRUE(references.claim(offset_, bytes_));
    return {};
  }
  Result<bool> give_up_metadata(References& references, CheckFindings&) override {
    ++asked;
    for (std::uint64_t at = 0; at < bytes_; at += cluster_bytes_)
      references.remove_metadata(HostCluster((offset_.value() + at) / cluster_bytes_));
    return true;
  }
  void data_reference(GuestOffset, HostCluster, std::uint64_t) override {}
  Result<bool> finish(const References&, CheckFindings&, const CheckStep&) override {
    return false;
  }

  int asked = 0;

private:
  HostOffset offset_;
  std::uint64_t bytes_;
  std::uint64_t cluster_bytes_;
};

TEST_F(FullHost, TheClientGivesItsClustersUpIfNoneIsFree) {
  add_free_clusters(3);
  image.set_refcount_table_entry(0, unaligned_entry);
  Hint hint(HostOffset(image.offset(last() - 3)), 3 * 65536);
  expect_repaired(&hint);
  EXPECT_EQ(hint.asked, 1);
}

// The clusters that it gives up were found wrong, too, because the block that counts them is
// missing.
TEST_F(FullHost, WhatTheClientGivesUpIsNoDamageThatIsLeft) {
  image = CheckImage(
      {.cluster_bits = 12, .refcount_order = 6, .guest_clusters = 512, .data_clusters = 506});
  image.set_full();
  image.bytes().resize(image.offset(516));
  image.set_l2_entry(506, image.offset(511) | copied_flag);
  image.set_l2_entry(507, image.offset(512) | copied_flag);
  Hint hint(HostOffset(image.offset(513)), 3 * 4096, 4096);
  expect_repaired(&hint);
  EXPECT_EQ(hint.asked, 1);
}

TEST_F(FullHost, TheClientKeepsItsClustersIfOthersAreFree) {
  add_free_clusters(4);
  image.set_refcount_table_entry(0, unaligned_entry);
  Hint hint(HostOffset(image.offset(last() - 4)), 2 * 65536);
  const std::vector<std::byte> data = image.data_bytes();
  EXPECT_EQ(image.repair_all(&hint).report.corruptions, 0u);
  EXPECT_EQ(hint.asked, 0);
  EXPECT_EQ(image.check(false, false, &hint).lines, Lines());
}

TEST_F(FullHost, NothingInsideIsOverwrittenWhereAnL2TableIsUnknown) {
  add_free_clusters(4);
  image.set_l1_entry(0, image.l1_entry(0) + 512);
  image.set_refcount_table_entry(0, unaligned_entry);
  expect_unchanged();
}

TEST(RepairSpace, WhereTheHostHasSpaceNothingInTheFileIsOverwritten) {
  CheckImage image;
  image.set_l2_entry(2, 0); // its data may still be wanted
  image.set_l2_entry(3, 0);
  image.set_refcount_table_entry(0, 0x20200);
  const std::vector<std::byte> data = image.data_bytes();
  EXPECT_EQ(image.repair_all().report.corruptions, 0u);
  EXPECT_EQ(image.data_bytes(), data);
  EXPECT_GE(image.header().refcount_table_offset.value(), image.offset(image.end()));
}

} // namespace
} // namespace qcow2
