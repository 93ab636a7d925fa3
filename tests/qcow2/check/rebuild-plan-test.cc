// Tests of where a new refcount structure is put.
#include "block/qcow2/check/rebuild-plan.h"

#include "block/file/file.h"
#include "tests/qcow2/check/check-image.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace qcow2 {
namespace {

// A file of which single clusters are stored, and single ones are in use. 64 refcounts to a block.
class Planning : public testing::Test {
protected:
  static constexpr unsigned cluster_bits = 12;
  static constexpr std::uint64_t cluster_bytes = std::uint64_t{1} << cluster_bits;

  explicit Planning(std::uint64_t clusters = 40) : file_({}) {
    EXPECT_EQ(::truncate(file_.path().c_str(), static_cast<off_t>(clusters * cluster_bytes)), 0);
    header.cluster_bits = cluster_bits;
    header.refcount_order = 6; // 512 refcounts to a block
    references.emplace(header, clusters * cluster_bytes);
  }

  void use(std::uint64_t first, std::uint64_t clusters) {
    references->add(HostOffset(first * cluster_bytes), clusters * cluster_bytes, ClusterUse::data,
                    1, findings);
  }
  void store(std::uint64_t first, std::uint64_t clusters) {
    int descriptor = ::open(file_.path().c_str(), O_WRONLY);
    const std::vector<char> data(clusters * cluster_bytes, 'x');
    EXPECT_EQ(
        ::pwrite(descriptor, data.data(), data.size(), static_cast<off_t>(first * cluster_bytes)),
        static_cast<ssize_t>(data.size()));
    ::close(descriptor);
  }
  std::optional<RebuildPlan> plan(std::uint64_t lowest = 0) {
    block::DriverRegistry::instance().add(block::file_driver);
    block::Graph graph;
    auto node = graph.open({{"driver", "file"}, {"filename", file_.path()}}, {});
    EXPECT_TRUE(node.ok());
    HostFile host(**node);
    return plan_rebuild(host, header, *references, ClusterCounts(), HostCluster(lowest), nullptr);
  }
  static std::vector<std::uint64_t> clusters_of(const RebuildPlan& plan) {
    std::vector<std::uint64_t> clusters;
    plan.for_each_cluster([&](HostCluster cluster) { clusters.push_back(cluster.value()); });
    return clusters;
  }
  using Clusters = std::vector<std::uint64_t>; // the table's, then those of the blocks

  Header header;
  std::optional<References> references;
  block::CheckRequest request;
  CheckFindings findings{request, false};

private:
  TemporaryFile file_;
};

TEST_F(Planning, TakesTheLowestFreeClusters) {
  use(0, 3);
  use(4, 10);
  EXPECT_EQ(clusters_of(*plan()), (Clusters{3, 14}));
  EXPECT_EQ(clusters_of(*plan(5)), (Clusters{14, 15}));
}

TEST_F(Planning, TakesFirstWhatTheHostStores) {
  store(0, 4);
  store(20, 2);
  use(0, 4);
  std::optional<RebuildPlan> found = plan();
  if (!found->unstored.empty()) GTEST_SKIP() << "this file system has no holes";
  EXPECT_EQ(clusters_of(*found), (Clusters{20, 21}));
}

TEST_F(Planning, TakesHolesAndWhatLiesBehindTheFileIfNoneIsStored) {
  store(0, 39);
  use(0, 39);
  std::optional<RebuildPlan> found = plan();
  EXPECT_EQ(clusters_of(*found), (Clusters{39, 40}));
  EXPECT_EQ(found->unstored.back(), HostCluster(40));
}

TEST_F(Planning, TakesNoClusterThatADanglingEntryNames) {
  use(0, 40);
  use(41, 2); // beyond the file
  EXPECT_EQ(clusters_of(*plan()), (Clusters{40, 43}));
}

class PlanningALongFile : public Planning {
protected:
  PlanningALongFile() : Planning(512 * 512 + 100) {}
};

// The table counts 512 blocks to a cluster, and cluster 512 * 512 needs one more.
TEST_F(PlanningALongFile, ATableTakesARun) {
  use(0, 1);
  use(2, 5);
  use(512 * 512, 1);
  EXPECT_EQ(clusters_of(*plan()), (Clusters{7, 8, 1, 9}));
}

// Where the structure lies counts, too.
TEST_F(PlanningALongFile, CountsItself) {
  use(0, 512);
  std::optional<RebuildPlan> found = plan();
  EXPECT_EQ(clusters_of(*found), (Clusters{512, 513, 514}));
  ASSERT_EQ(found->blocks.size(), 2u);
  EXPECT_EQ(found->blocks[1].index, 1u);
  use(512, 512 * 512 - 512);
  EXPECT_EQ(plan()->table_clusters, 2u);
}

TEST_F(Planning, NothingIfTheFormatHasNoRoom) {
  use(0, 1);
  EXPECT_TRUE(plan().has_value());
  EXPECT_FALSE(plan(max_host_offset >> cluster_bits).has_value());
}

} // namespace
} // namespace qcow2
