// Every counter of deduplication, moved by an exact amount by what it counts, and by nothing else.
#include "tests/support/qcow2-disk.h"

#include <map>

namespace qcow2_dedup {
namespace {

using block::DedupInfo;
using block::DiskShape;
using block::Qcow2Disk;

using Amounts = std::map<std::string, std::uint64_t>;

class CountersTest : public testing::Test {
protected:
  void TearDown() override {
    EXPECT_TRUE(succeeded(disk.close()));
    disk.expect_clean();
  }

  // The counters that moved since the last call, and by how much. The block cache's are apart.
  Amounts moved(Qcow2Disk& which) {
    DedupInfo now = which.counters();
    Amounts amounts;
    auto add = [&](const char* name, std::uint64_t DedupInfo::*counter) {
      if (now.*counter != before_.*counter) amounts[name] = now.*counter - before_.*counter;
    };
    add("written bytes", &DedupInfo::written_bytes);
    add("file written bytes", &DedupInfo::file_written_bytes);
    add("deduplicated", &DedupInfo::deduplicated_clusters);
    add("undeduplicated", &DedupInfo::undeduplicated_clusters);
    add("zero", &DedupInfo::zero_clusters);
    add("missing data reads", &DedupInfo::missing_data_reads);
    add("hashes created", &DedupInfo::hashes_created);
    add("hashes removed", &DedupInfo::hashes_removed);
    add("deleted", &DedupInfo::deleted_clusters);
    add("refcount overflows", &DedupInfo::refcount_overflows);
    add("verify reads", &DedupInfo::verify_reads);
    add("verify mismatches", &DedupInfo::verify_mismatches);
    add("scanned", &DedupInfo::scanned_clusters);
    add("scan deduplicated", &DedupInfo::scan_deduplicated_clusters);
    before_ = now;
    return amounts;
  }
  Amounts moved() { return moved(disk); }
  void forget_counts() { (void)moved(); }
  std::size_t bytes() const { return disk.cluster_bytes(); }
  static DiskShape narrow() { // a cluster has at most two owners
    DiskShape shape;
    shape.refcount_bits = 2;
    return shape;
  }

  Qcow2Disk disk;
  std::string a = disk.pattern(1), b = disk.pattern(2), c = disk.pattern(3);

private:
  DedupInfo before_;
};

TEST_F(CountersTest, StandAtZeroAfterOpening) {
  EXPECT_EQ(moved(), Amounts());
}

TEST_F(CountersTest, NewContentIsWrittenStoredUndeduplicatedAndItsHashCreated) {
  disk.write(0, a + b + c);
  EXPECT_EQ(moved(), (Amounts{{"written bytes", 3 * bytes()},
                              {"file written bytes", 3 * bytes()},
                              {"undeduplicated", 3},
                              {"hashes created", 3}}));
}

TEST_F(CountersTest, ADuplicateIsWrittenAndDeduplicated) {
  disk.write(0, a);
  forget_counts();
  disk.write(5, a + a);
  EXPECT_EQ(moved(), (Amounts{{"written bytes", 2 * bytes()}, {"deduplicated", 2}}));
}

TEST_F(CountersTest, TheSameContentAtTheSamePlaceIsDeduplicated) {
  disk.write(0, a);
  forget_counts();
  disk.write(0, a);
  EXPECT_EQ(moved(), (Amounts{{"written bytes", bytes()}, {"deduplicated", 1}}));
}

TEST_F(CountersTest, AClusterOfZerosIsAZeroCluster) {
  disk.write(0, disk.zeros() + disk.zeros());
  EXPECT_EQ(moved(), (Amounts{{"written bytes", 2 * bytes()}, {"zero", 2}}));
}

TEST_F(CountersTest, ZerosOverAnOnlyOwnerDeleteItsClusterAndItsHash) {
  disk.write(0, a + b);
  forget_counts();
  disk.write(1, disk.zeros());
  EXPECT_EQ(
      moved(),
      (Amounts{{"written bytes", bytes()}, {"zero", 1}, {"deleted", 1}, {"hashes removed", 1}}));
}

TEST_F(CountersTest, AnOverwriteInPlaceRemovesOneHashAndCreatesOne) {
  disk.write(0, a);
  forget_counts();
  disk.write(0, b);
  EXPECT_EQ(moved(), (Amounts{{"written bytes", bytes()},
                              {"file written bytes", bytes()},
                              {"undeduplicated", 1},
                              {"hashes created", 1},
                              {"hashes removed", 1}}));
}

TEST_F(CountersTest, ADuplicateOverAnOnlyOwnerDeletesItsCluster) {
  disk.write(0, a + b);
  forget_counts();
  disk.write(1, a);
  EXPECT_EQ(
      moved(),
      (Amounts{
          {"written bytes", bytes()}, {"deduplicated", 1}, {"deleted", 1}, {"hashes removed", 1}}));
}

TEST_F(CountersTest, AnOwnerOfSeveralThatGoesDeletesNothing) {
  disk.write(0, a + a + a);
  forget_counts();
  disk.discard(0);
  disk.discard(2);
  EXPECT_EQ(moved(), Amounts());
  disk.discard(1);
  EXPECT_EQ(moved(), (Amounts{{"deleted", 1}, {"hashes removed", 1}}));
}

TEST_F(CountersTest, EachPartlyCoveredClusterIsOneReadOfMissingData) {
  disk.write(0, a + b + c);
  forget_counts();
  disk.write_at(bytes() / 2, std::string(2 * bytes(), 'x')); // parts of two, and one whole
  Amounts amounts = moved();
  EXPECT_EQ(amounts["missing data reads"], 2u);
  EXPECT_EQ(amounts["written bytes"], 2 * bytes());
  EXPECT_EQ(amounts["file written bytes"], 3 * bytes());
  disk.write_at(10 * bytes() + 5, "within one");
  EXPECT_EQ(moved()["missing data reads"], 1u);
  disk.write(20, a); // all of one
  EXPECT_EQ(moved()["missing data reads"], 0u);
}

TEST_F(CountersTest, AStoreBeyondTheThresholdIsAnOverflowThatRemovesTheOldHash) {
  Qcow2Disk small(narrow());
  small.write(0, a + a);
  (void)moved(small);
  small.write(2, a);
  EXPECT_EQ(moved(small), (Amounts{{"written bytes", bytes()},
                                   {"file written bytes", bytes()},
                                   {"undeduplicated", 1},
                                   {"refcount overflows", 1},
                                   {"hashes removed", 1},
                                   {"hashes created", 1}}));
  small.write(3, a); // the new cluster has room for one more
  EXPECT_EQ(moved(small), (Amounts{{"written bytes", bytes()}, {"deduplicated", 1}}));
}

TEST_F(CountersTest, EveryConfirmedMatchIsOneVerifyRead) {
  disk.write(0, a + b);
  EXPECT_TRUE(succeeded(disk.close()));
  disk.open({{"dedup-verify", "on"}});
  disk.wait_for_index();
  forget_counts();
  disk.write(5, a + b + c + a); // c is new
  EXPECT_EQ(moved()["verify reads"], 3u);
  disk.write(5, a); // at the same place
  EXPECT_EQ(moved(),
            (Amounts{{"written bytes", bytes()}, {"deduplicated", 1}, {"verify reads", 1}}));
}

TEST_F(CountersTest, AMatchOfOtherBytesIsOneVerifyMismatch) {
  disk.write(0, a + b);
  disk.reopen();
  disk.wait_for_index();
  disk.write(0, c); // in place: the file's hash of a is old now
  disk.flush();
  disk.kill();
  disk.open();
  disk.wait_for_index();
  disk.wait_for_scan(); // or it gives the cluster of the mismatch its hash, if it comes that late
  Amounts opened = moved();
  EXPECT_EQ(opened["verify reads"], 0u);
  disk.write(5, a + b);
  EXPECT_EQ(moved(), (Amounts{{"written bytes", 2 * bytes()},
                              {"file written bytes", bytes()},
                              {"deduplicated", 1},
                              {"undeduplicated", 1},
                              {"hashes removed", 1},
                              {"verify reads", 2},
                              {"verify mismatches", 1}}));
}

TEST_F(CountersTest, AHashBlockIsAMissWhenItIsReadAndAHitAfterThat) {
  disk.write(0, a + b);
  disk.reopen();
  disk.wait_for_index();
  DedupInfo opened = disk.counters();
  EXPECT_EQ(opened.cache_hits + opened.cache_misses, 0u); // the loader reads past the cache
  EXPECT_EQ(opened.cache_bytes, 0u);
  disk.write(5, a);
  DedupInfo first = disk.counters();
  EXPECT_EQ(first.cache_misses, 1u);
  EXPECT_EQ(first.cache_hits, 0u);
  EXPECT_EQ(first.cache_bytes, 64u * 1024);
  disk.write(6, b);
  DedupInfo second = disk.counters();
  EXPECT_EQ(second.cache_misses, 1u);
  EXPECT_EQ(second.cache_hits, 1u);
}

TEST_F(CountersTest, ForgettingAHashReadsNoHashBlock) {
  disk.write(0, a + b);
  disk.reopen();
  disk.wait_for_index();
  ASSERT_TRUE(succeeded(disk.node().pause_dedup()));
  disk.write(0, c);
  disk.discard(1);
  EXPECT_EQ(disk.counters().cache_misses, 0u);
  EXPECT_EQ(disk.counters().cache_bytes, 0u);
  ASSERT_TRUE(succeeded(disk.node().resume_dedup({})));
  disk.write(5, a + b); // and it is forgotten all the same
  EXPECT_EQ(disk.counters().deduplicated_clusters, 0u);
  EXPECT_TRUE(disk.holds(0, c + disk.zeros()));
}

TEST_F(CountersTest, APausedWriteIsWrittenAndStoredAndNothingElse) {
  ASSERT_TRUE(succeeded(disk.node().pause_dedup()));
  disk.write(0, a + a);
  EXPECT_EQ(moved(),
            (Amounts{{"written bytes", 2 * bytes()}, {"file written bytes", 2 * bytes()}}));
}

TEST_F(CountersTest, AClusterIsScannedAndDeduplicatedIfItsContentIsElsewhereOrZero) {
  disk.write(0, a);
  ASSERT_TRUE(succeeded(disk.node().pause_dedup()));
  disk.write(1, a + disk.zeros() + b);
  forget_counts();
  ASSERT_TRUE(succeeded(disk.node().resume_dedup({})));
  disk.wait_for_scan();
  EXPECT_EQ(
      moved(),
      (Amounts{{"scanned", 3}, {"scan deduplicated", 2}, {"deleted", 2}, {"hashes created", 1}}));
}

TEST_F(CountersTest, AWriteThatFailsIsWrittenAndNothingElse) {
  disk.write(63, c);
  forget_counts();
  disk.file->fail(block::MemoryOperation::write, 1, ENOSPC);
  EXPECT_FALSE(disk.try_write(0, a).ok());
  EXPECT_EQ(moved(), (Amounts{{"written bytes", bytes()}}));
}

TEST_F(CountersTest, TheIndexKnowsAnEntryForEachHash) {
  disk.write(0, a + b + c + a);
  EXPECT_EQ(disk.counters().index_entries, 3u);
  EXPECT_GT(disk.counters().index_bytes, 0u);
  disk.write(1, disk.zeros());
  EXPECT_EQ(disk.counters().index_entries, 2u);
  disk.discard(0, 4);
  EXPECT_EQ(disk.counters().index_entries, 0u);
  EXPECT_EQ(disk.counters().index_bytes, 0u);
}

} // namespace
} // namespace qcow2_dedup
