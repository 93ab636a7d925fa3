// dedup-index-size: the index takes no more memory than the user allows, and what it forgets costs
// space, nothing else.
#include "tests/support/qcow2-disk.h"

namespace qcow2_dedup {
namespace {

using block::Qcow2Disk;
using block::succeeded;

constexpr std::uint64_t clusters = 30'000; // 400 KiB of index without a limit
constexpr std::uint64_t limit = 64 * 1024, one_leaf = 13 * 1024;

class IndexLimit : public testing::Test {
protected:
  IndexLimit() { disk.write(0, data); }
  std::string part(std::uint64_t first, std::uint64_t count) const {
    return data.substr(first * disk.cluster_bytes(), count * disk.cluster_bytes());
  }

  Qcow2Disk disk{{.cluster_bits = 9,
                  .guest_clusters = 2 * clusters,
                  .open = {{"dedup-index-size", std::to_string(limit)}}}};
  const std::string data = block::pattern(clusters * disk.cluster_bytes(), 1);
};

TEST_F(IndexLimit, AnImageWorksWithinIt) {
  EXPECT_EQ(disk.counters().index_limit, limit);
  EXPECT_LE(disk.counters().index_bytes, limit + one_leaf);
  EXPECT_LT(disk.counters().index_entries, clusters / 3);
  disk.write(clusters, part(clusters - 1, 1)); // what came last is known
  EXPECT_EQ(disk.host_of(clusters), disk.host_of(clusters - 1));
  // A sixth of it is, and leads to its neighbours in the table; the rest is stored again.
  disk.write(clusters, data);
  const block::DedupInfo now = disk.counters();
  EXPECT_GT(now.deduplicated_clusters, clusters / 3);
  EXPECT_LT(now.deduplicated_clusters, clusters);
  EXPECT_EQ(now.deduplicated_clusters + now.undeduplicated_clusters, 2 * clusters + 1);
  EXPECT_LE(now.index_bytes, limit + one_leaf);
  EXPECT_TRUE(disk.holds(0, data + data));
  EXPECT_TRUE(succeeded(disk.close()));
  disk.expect_clean();
}

TEST_F(IndexLimit, LoadingKeepsItToo) {
  disk.reopen();
  disk.wait_for_index();
  EXPECT_LE(disk.counters().index_bytes, limit + one_leaf);
  EXPECT_GT(disk.counters().index_entries, limit / 20);
}

TEST_F(IndexLimit, WithoutItEveryHashIsKnownAgain) {
  EXPECT_TRUE(succeeded(disk.close()));
  disk.open({{"dedup-index-size", "0"}});
  disk.wait_for_index();
  EXPECT_EQ(disk.counters().index_limit, 0u);
  EXPECT_EQ(disk.counters().index_entries, clusters);
  disk.write(clusters, data);
  EXPECT_EQ(disk.counters().deduplicated_clusters, clusters);
}

} // namespace
} // namespace qcow2_dedup
