// Tests of the sparse counters.
#include "block/qcow2/check/cluster-counts.h"

#include <gtest/gtest.h>

namespace qcow2 {
namespace {

TEST(ClusterCounts, CountsEachClusterByItself) {
  ClusterCounts counts;
  counts.add(HostCluster(5));
  counts.add(HostCluster(5), 3);
  counts.add(HostCluster(1u << 30));
  EXPECT_EQ(counts.get(HostCluster(5)), 4u);
  EXPECT_EQ(counts.get(HostCluster(4)), 0u);
  EXPECT_EQ(counts.get(HostCluster(1u << 30)), 1u);
  EXPECT_EQ(counts.end(), HostCluster((1u << 30) + 1));
}

TEST(ClusterCounts, HoldsNumbersOf64BitsAndStaysAtTheLargest) {
  ClusterCounts counts;
  for (std::uint64_t count : {std::uint64_t{254}, std::uint64_t{255}, std::uint64_t{256},
                              std::uint64_t{1} << 40, ~std::uint64_t{0}}) {
    counts.set(HostCluster(7), count);
    EXPECT_EQ(counts.get(HostCluster(7)), count);
  }
  counts.add(HostCluster(7), 2);
  EXPECT_EQ(counts.get(HostCluster(7)), ~std::uint64_t{0});
  counts.set(HostCluster(7), 3);
  EXPECT_EQ(counts.get(HostCluster(7)), 3u);
}

TEST(ClusterCounts, KeepsCountsWhenAChunkGrowsFromAListToAnArray) {
  ClusterCounts counts;
  for (std::uint64_t i = 0; i < 1000; ++i)
    counts.add(HostCluster((i * 37) % 4096), i + 1);
  for (std::uint64_t i = 0; i < 1000; ++i)
    ASSERT_EQ(counts.get(HostCluster((i * 37) % 4096)), i + 1);
}

TEST(ClusterCounts, VisitsARangeInOrderAndNothingOutsideIt) {
  ClusterCounts counts;
  for (std::uint64_t cluster : {9000u, 10u, 11u, 4095u, 4096u, 12u})
    counts.add(HostCluster(cluster), cluster);
  std::vector<std::uint64_t> visited;
  counts.for_each(HostCluster(11), HostCluster(9000),
                  [&](HostCluster cluster, std::uint64_t count) {
                    EXPECT_EQ(count, cluster.value());
                    visited.push_back(cluster.value());
                  });
  EXPECT_EQ(visited, (std::vector<std::uint64_t>{11, 12, 4095, 4096}));
  std::vector<std::uint64_t> row(4);
  counts.copy(HostCluster(4094), row);
  EXPECT_EQ(row, (std::vector<std::uint64_t>{0, 4095, 4096, 0}));
}

TEST(ClusterCounts, EndsAfterTheHighestThatIsNotZero) {
  ClusterCounts counts;
  for (std::uint64_t cluster : {5u, 9000u, 9001u})
    counts.add(HostCluster(cluster));
  EXPECT_EQ(counts.end(), HostCluster(9002));
  counts.set(HostCluster(9000), 0);
  EXPECT_EQ(counts.end(), HostCluster(9002));
  counts.set(HostCluster(9001), 0);
  EXPECT_EQ(counts.end(), HostCluster(6));
  counts.set(HostCluster(7), 300);
  EXPECT_EQ(counts.end(), HostCluster(8));
  counts.set(HostCluster(7), 0);
  counts.set(HostCluster(5), 0);
  EXPECT_EQ(counts.end(), HostCluster(0));
}

TEST(ClusterCounts, KnowsWhereNothingWasCounted) {
  ClusterCounts counts;
  counts.add(HostCluster(20000));
  EXPECT_TRUE(counts.untouched(HostCluster(0), HostCluster(16384)));
  EXPECT_FALSE(counts.untouched(HostCluster(0), HostCluster(20001)));
  EXPECT_TRUE(counts.untouched(HostCluster(40000), HostCluster(50000)));
  counts.clear();
  EXPECT_EQ(counts.get(HostCluster(20000)), 0u);
  EXPECT_EQ(counts.end(), HostCluster(0));
}

} // namespace
} // namespace qcow2
