// Owners of host clusters, within a bound of memory.
#include "block/qcow2-dedup/table/single-owners.h"

#include <gtest/gtest.h>

namespace qcow2_dedup {
namespace {

constexpr std::uint64_t two_blocks = 2 * 5 * entries_per_block;

std::optional<GuestCluster> guest(std::uint64_t number) {
  return GuestCluster(number);
}

TEST(SingleOwners, HoldsTheOwnerRecordedLast) {
  SingleOwners owners(8);
  EXPECT_EQ(owners.owner(HostCluster(7)), std::nullopt);
  owners.record(HostCluster(7), GuestCluster(0));
  owners.record(HostCluster(8), GuestCluster(0xfe'dcba'9876)); // five bytes
  owners.record(cluster_at(7, entries_per_block - 1), GuestCluster(1));
  owners.record(cluster_at(7, entries_per_block - 1), GuestCluster(2));
  EXPECT_EQ(owners.owner(HostCluster(7)), guest(0));
  EXPECT_EQ(owners.owner(HostCluster(8)), guest(0xfe'dcba'9876));
  EXPECT_EQ(owners.owner(HostCluster(9)), std::nullopt);
  EXPECT_EQ(owners.owner(cluster_at(7, entries_per_block - 1)), guest(2));
  EXPECT_EQ(owners.end(), 8u);
}

TEST(SingleOwners, IgnoresClustersBeyondTheTable) {
  SingleOwners owners(1);
  owners.record(cluster_at(1, 0), GuestCluster(1));
  EXPECT_EQ(owners.end(), 1u);
}

TEST(SingleOwners, AWindowKeepsTheFirstBlocks) {
  SingleOwners owners(10, two_blocks);
  for (std::uint64_t block : {9, 4, 6, 2, 8})
    owners.record(cluster_at(block, 1), GuestCluster(block));
  EXPECT_EQ(owners.end(), 6u);
  EXPECT_EQ(owners.owner(cluster_at(2, 1)), guest(2));
  EXPECT_EQ(owners.owner(cluster_at(4, 1)), guest(4));
}

TEST(SingleOwners, WindowsGoThroughTheWholeTable) {
  SingleOwners owners(10, two_blocks);
  std::vector<std::uint64_t> seen;
  for (std::uint64_t first = 0; first < 10; first = owners.end()) {
    owners.start(first);
    for (std::uint64_t block : {9, 0, 4, 6, 2, 8})
      owners.record(cluster_at(block, 1), GuestCluster(block));
    ASSERT_GT(owners.end(), first);
    for (std::uint64_t block = first; block < owners.end(); ++block)
      if (owners.owner(cluster_at(block, 1))) seen.push_back(block);
  }
  EXPECT_EQ(seen, (std::vector<std::uint64_t>{0, 2, 4, 6, 8, 9}));
}

TEST(SingleOwners, AWindowHasAtLeastOneBlock) {
  SingleOwners owners(3, 0);
  owners.record(cluster_at(2, 0), GuestCluster(2));
  owners.record(cluster_at(1, 0), GuestCluster(1));
  EXPECT_EQ(owners.end(), 2u);
  EXPECT_EQ(owners.owner(cluster_at(1, 0)), guest(1));
}

} // namespace
} // namespace qcow2_dedup
