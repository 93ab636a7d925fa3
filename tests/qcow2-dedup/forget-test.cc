// Overwriting while deduplication is paused: hashes are forgotten as bits, without a look at the
// table, and nothing is shared by what they said.
#include "block/qcow2-dedup/table/extension.h"
#include "block/qcow2-dedup/table/forgotten-clusters.h"
#include "tests/support/qcow2-disk.h"

namespace qcow2_dedup {
namespace {

using block::DiskShape;
using block::HostCluster;
using block::Qcow2Disk;
using block::succeeded;

TEST(ForgottenClusters, AreKeptByHashBlock) {
  ForgottenClusters forgotten;
  EXPECT_FALSE(forgotten.contains(HostCluster(0)));
  for (std::uint64_t cluster : {0ul, entries_per_block - 1, entries_per_block, 1ul << 40})
    forgotten.add(HostCluster(cluster));
  EXPECT_EQ(forgotten.by_block().size(), 3u);
  EXPECT_TRUE(forgotten.contains(HostCluster(entries_per_block - 1)));
  EXPECT_FALSE(forgotten.contains(HostCluster(entries_per_block + 1)));
  EXPECT_TRUE(forgotten.remove(HostCluster(1ul << 40)));
  EXPECT_FALSE(forgotten.remove(HostCluster(1ul << 40)));
  EXPECT_EQ(forgotten.by_block().size(), 2u);  // none without a cluster
  forgotten.add(HostCluster((1ul << 40) + 1)); // the block of the last addition was removed
  EXPECT_TRUE(forgotten.contains(HostCluster((1ul << 40) + 1)));
  auto next = forgotten.remove_block(forgotten.by_block().begin());
  EXPECT_EQ(next->first, 1u);
  EXPECT_FALSE(forgotten.contains(HostCluster(0)));
}

class OverwrittenWhilePaused : public testing::TestWithParam<bool> {
protected:
  OverwrittenWhilePaused() {
    disk.write(0, a);
    disk.write(1, b);
    if (GetParam()) {
      disk.reopen(); // its hash block is not in memory
      disk.wait_for_index();
    } else {
      EXPECT_TRUE(succeeded(disk.close()));
      disk.open();
      disk.wait_for_index();
      disk.write(2, a); // its hash block is in memory now
      disk.discard(2);
    }
    host = *disk.host_of(1);
    EXPECT_TRUE(succeeded(disk.node().pause_dedup()));
    before = disk.counters();
    disk.write(1, c);
    EXPECT_EQ(disk.host_of(1), host) << "in place";
  }
  void resume() {
    EXPECT_TRUE(succeeded(disk.node().resume_dedup()));
    disk.wait_for_scan();
  }

  Qcow2Disk disk;
  const std::string a = disk.pattern(1), b = disk.pattern(2), c = disk.pattern(3);
  std::uint64_t host = 0;
  block::DedupInfo before;
};

TEST_P(OverwrittenWhilePaused, AClusterIsNotLookedUp) {
  EXPECT_EQ(disk.counters().cache_hits, before.cache_hits);
  EXPECT_EQ(disk.counters().cache_misses, before.cache_misses);
}

TEST_P(OverwrittenWhilePaused, AClusterIsNotSharedByWhatItHeld) {
  resume();
  disk.write(3, b);
  EXPECT_NE(disk.host_of(3), host);
  EXPECT_TRUE(disk.holds(0, a + c + disk.zeros() + b));
  EXPECT_TRUE(succeeded(disk.close()));
  EXPECT_TRUE(disk.check().lines.empty());
}

TEST_P(OverwrittenWhilePaused, AClusterIsSharedByWhatItHoldsAfterTheScan) {
  resume();
  disk.write(3, c);
  EXPECT_EQ(disk.host_of(3), host);
  disk.reopen();
  disk.wait_for_index();
  disk.write(4, c);
  EXPECT_EQ(disk.host_of(4), host) << "the new hash was not stored";
  EXPECT_TRUE(succeeded(disk.close()));
  disk.expect_clean();
}

TEST_P(OverwrittenWhilePaused, AClusterThatGetsItsContentBackIsSharedByIt) {
  disk.write(1, b);
  resume();
  disk.write(3, b);
  EXPECT_EQ(disk.host_of(3), host);
  disk.reopen();
  disk.wait_for_index();
  disk.write(4, b);
  EXPECT_EQ(disk.host_of(4), host);
}

TEST_P(OverwrittenWhilePaused, AClusterHasNoHashInTheClosedImage) {
  EXPECT_TRUE(succeeded(disk.close()));
  disk.open();
  disk.wait_for_index();
  EXPECT_TRUE(disk.counters().table_trusted);
  EXPECT_EQ(disk.counters().index_entries, 1u);
}

TEST_P(OverwrittenWhilePaused, TheHashIsCountedAsRemovedWhenItLeavesTheTable) {
  EXPECT_EQ(disk.counters().hashes_removed, before.hashes_removed);
  resume();
  EXPECT_EQ(disk.counters().hashes_removed, before.hashes_removed + 1);
  EXPECT_EQ(disk.counters().index_entries, 2u);
}

INSTANTIATE_TEST_SUITE_P(HashBlock, OverwrittenWhilePaused, testing::Bool(),
                         [](const auto& is_absent) {
                           return is_absent.param ? "NotInMemory" : "InMemory";
                         });

// More than one hold of the lock clears, and more than one hash block.
TEST(Forgotten, AllOfALargeOverwriteIsClearedBeforeTheCleanClose) {
  constexpr std::uint64_t clusters = 40'000;
  Qcow2Disk disk({.cluster_bits = 9, .guest_clusters = clusters});
  const std::string data = block::pattern(clusters * disk.cluster_bytes(), 1);
  disk.write(0, data);
  disk.reopen();
  disk.wait_for_index();
  ASSERT_EQ(disk.counters().index_entries, clusters);
  ASSERT_TRUE(succeeded(disk.node().pause_dedup()));
  const std::string other = block::pattern(clusters * disk.cluster_bytes(), 2);
  disk.write(0, other);
  disk.reopen();
  EXPECT_TRUE(disk.counters().table_trusted);
  EXPECT_EQ(disk.counters().index_entries, 0u);
  EXPECT_TRUE(disk.holds(0, other));
}

// An empty hash block is written over the one that cannot be read, so no old hash comes back.
TEST(Forgotten, WhatAnUnreadableHashBlockHoldsIsNotBelievedLater) {
  Qcow2Disk disk;
  const std::string a = disk.pattern(1), b = disk.pattern(2);
  disk.write(0, a);
  ASSERT_TRUE(succeeded(disk.close()));
  const std::uint64_t hash_block = disk.file64(disk.extension().table_offset.value());
  disk.open();
  disk.wait_for_index();
  disk.file->fail_reads_of(hash_block);
  ASSERT_TRUE(succeeded(disk.node().pause_dedup()));
  disk.write(0, b); // in place
  EXPECT_TRUE(succeeded(disk.close()));
  disk.file->heal();
  disk.open();
  disk.wait_for_index();
  EXPECT_EQ(disk.counters().index_entries, 0u);
  EXPECT_TRUE(succeeded(disk.node().resume_dedup()));
  disk.write(1, a);
  EXPECT_TRUE(disk.holds(0, b + a));
}

} // namespace
} // namespace qcow2_dedup
