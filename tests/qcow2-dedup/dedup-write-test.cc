// The deduplicating write path, one request at a time: what is written, linked, counted and
// forgotten.
#include "tests/support/qcow2-disk.h"

#include "block/qcow2-dedup/table/block-layout.h"
#include "block/qcow2-dedup/table/extension.h"

namespace qcow2_dedup {
namespace {

using block::DedupInfo;
using block::Qcow2Disk;
using block::WriteWatch;

// Every test ends with a clean close and with both checks.
class DedupWrite : public testing::Test {
protected:
  void TearDown() override {
    EXPECT_TRUE(succeeded(disk.close()));
    disk.expect_clean();
  }

  std::size_t bytes() const { return disk.cluster_bytes(); }
  // Bytes 32 to 39 of the cluster's entry in the dedup table. The table has one hash block.
  std::uint64_t first_owner_in_file(std::uint64_t host) const {
    std::uint64_t table = disk.extension().table_offset.value();
    return disk.file64(disk.file64(table) + host * entry_bytes + 32);
  }

  Qcow2Disk disk;
  std::string a = disk.pattern(1), b = disk.pattern(2), c = disk.pattern(3);
};

TEST_F(DedupWrite, ADuplicateWritesNoDataAndTakesAReference) {
  disk.write(0, a);
  std::uint64_t host = *disk.host_of(0);
  EXPECT_EQ(disk.refcount_of(0), 1u);
  {
    WriteWatch watch(*disk.file);
    disk.write(9, a);
    EXPECT_EQ(watch.writes(), 0u);
  }
  EXPECT_EQ(disk.host_of(9), host);
  EXPECT_EQ(disk.refcount_of(0), 2u);
  EXPECT_TRUE(disk.holds(9, a));
  DedupInfo info = disk.counters();
  EXPECT_EQ(info.deduplicated_clusters, 1u);
  EXPECT_EQ(info.undeduplicated_clusters, 1u);
  EXPECT_EQ(info.file_written_bytes, bytes());
  EXPECT_EQ(info.written_bytes, 2 * bytes());
}

TEST_F(DedupWrite, TheFirstDuplicateClearsCopiedOfTheFirstOwner) {
  disk.write(0, a);
  disk.flush();
  EXPECT_TRUE(disk.copied(0));
  disk.write(9, a);
  disk.flush();
  EXPECT_FALSE(disk.copied(0));
  EXPECT_FALSE(disk.copied(9));
}

TEST_F(DedupWrite, NewContentGoesToTheFileInOneRequest) {
  disk.write(63, c);
  WriteWatch watch(*disk.file);
  std::string data;
  for (unsigned i = 0; i < 20; ++i)
    data += disk.pattern(100 + i);
  disk.write(0, data);
  EXPECT_EQ(watch.writes(), 1u);
  EXPECT_TRUE(disk.holds(0, data));
  EXPECT_EQ(*disk.host_of(19), *disk.host_of(0) + 19);
}

TEST_F(DedupWrite, AnOverwriteOfAnOnlyOwnerStaysInPlace) {
  disk.write(0, a);
  std::uint64_t host = *disk.host_of(0);
  disk.write(0, b);
  EXPECT_EQ(disk.host_of(0), host);
  EXPECT_TRUE(disk.holds(0, b));
  // What was there before is not found any more, what is there now is.
  disk.write(1, a);
  EXPECT_NE(disk.host_of(1), host);
  disk.write(2, b);
  EXPECT_EQ(disk.host_of(2), host);
}

TEST_F(DedupWrite, OverwritingOneOwnerLeavesTheOthersTheirContent) {
  for (std::uint64_t guest : {0, 1, 2})
    disk.write(guest, a);
  std::uint64_t host = *disk.host_of(0);
  disk.write(0, b); // the first owner
  EXPECT_NE(disk.host_of(0), host);
  EXPECT_EQ(disk.refcount_of(1), 2u);
  EXPECT_TRUE(disk.holds(1, a + a));
  disk.write(3, a); // its hash is still known
  EXPECT_EQ(disk.host_of(3), host);
  disk.write(1, c);
  disk.write(2, c);
  EXPECT_TRUE(disk.holds(0, b + c + c + a));
}

TEST_F(DedupWrite, TheLastOwnerOfASharedClusterIsNotOverwrittenInPlaceWithoutCopied) {
  disk.write(0, a);
  disk.write(1, a);
  std::uint64_t host = *disk.host_of(1);
  disk.write(0, b);
  disk.write(1, c); // has a single owner by now, but no COPIED
  EXPECT_NE(disk.host_of(1), host);
  EXPECT_TRUE(disk.holds(0, b + c));
}

TEST_F(DedupWrite, ACleanCloseGivesTheLastOwnerCopiedAgain) {
  disk.write(0, a);
  disk.write(1, a);
  disk.write(0, b);
  EXPECT_TRUE(succeeded(disk.close()));
  EXPECT_TRUE(disk.copied(1));
  disk.open();
  disk.wait_for_index();
  std::uint64_t host = *disk.host_of(1);
  disk.write(2, a); // must clear it again, at the new first owner
  EXPECT_EQ(disk.host_of(2), host);
  disk.write(1, c);
  EXPECT_TRUE(disk.holds(0, b + c + a));
}

TEST_F(DedupWrite, AHashIsForgottenWithItsLastOwner) {
  disk.write(0, a);
  disk.write(1, a);
  std::uint64_t host = *disk.host_of(0);
  disk.discard(0);
  EXPECT_EQ(disk.counters().deleted_clusters, 0u);
  disk.discard(1);
  EXPECT_EQ(disk.counters().deleted_clusters, 1u);
  EXPECT_EQ(disk.counters().hashes_removed, 1u);
  disk.write(2, a);
  EXPECT_NE(disk.host_of(2), host);
  EXPECT_EQ(disk.counters().undeduplicated_clusters, 2u);
}

TEST_F(DedupWrite, TheTableNamesTheFirstOwnerUntilItIsGone) {
  disk.write(3, a);
  disk.write(0, a + a);
  std::uint64_t host = *disk.host_of(3);
  EXPECT_TRUE(succeeded(disk.close()));
  EXPECT_EQ(first_owner_in_file(host), 3 * disk.cluster_bytes());
  disk.open();
  disk.write(0, b);
  EXPECT_TRUE(succeeded(disk.close()));
  EXPECT_EQ(first_owner_in_file(host), 3 * disk.cluster_bytes());
  disk.open();
  disk.write(5, a);
  disk.write(3, b);
  EXPECT_TRUE(succeeded(disk.close()));
  EXPECT_EQ(first_owner_in_file(host), 1u); // not known
  disk.open();
  disk.discard(5); // one is left, and gets COPIED
  EXPECT_TRUE(succeeded(disk.close()));
  EXPECT_TRUE(disk.copied(1));
  EXPECT_EQ(first_owner_in_file(host), 1 * disk.cluster_bytes());
  disk.open();
}

TEST_F(DedupWrite, AFirstOwnerThatIsDiscardedLeavesTheHashToTheOthers) {
  disk.write(0, a + a + a);
  std::uint64_t host = *disk.host_of(0);
  disk.discard(0); // the one that the table names
  EXPECT_TRUE(disk.holds(0, disk.zeros() + a + a));
  disk.write(5, a);
  EXPECT_EQ(disk.host_of(5), host);
  disk.reopen();
  disk.wait_for_index();
  disk.write(6, a);
  EXPECT_EQ(disk.host_of(6), host);
  disk.write(1, b);
  EXPECT_TRUE(disk.holds(0, disk.zeros() + b + a));
  EXPECT_TRUE(disk.holds(5, a + a));
  EXPECT_EQ(disk.refcount_of(5), 3u);
}

TEST_F(DedupWrite, ContentThatMovesToAnotherPlaceKeepsItsCluster) {
  disk.write(0, a);
  std::uint64_t host = *disk.host_of(0);
  disk.write(9, a); // as a guest moves a file: copied, then taken away
  disk.discard(0);
  EXPECT_EQ(disk.host_of(9), host);
  disk.reopen();
  disk.wait_for_index();
  EXPECT_TRUE(disk.copied(9)); // the only owner by now, and the table names it
  disk.write(0, a);
  disk.write(9, b);
  EXPECT_EQ(disk.host_of(0), host);
  EXPECT_TRUE(disk.holds(0, a));
  EXPECT_TRUE(disk.holds(9, b));
}

TEST_F(DedupWrite, TheSameContentAtTheSamePlaceWritesNothingAndCountsAsDeduplicated) {
  disk.write(0, a);
  disk.flush();
  std::uint64_t host = *disk.host_of(0);
  WriteWatch watch(*disk.file);
  disk.write(0, a);
  disk.flush();
  EXPECT_EQ(watch.writes(), 0u);
  EXPECT_EQ(disk.host_of(0), host);
  EXPECT_EQ(disk.refcount_of(0), 1u);
  EXPECT_TRUE(disk.copied(0));
  EXPECT_EQ(disk.counters().deduplicated_clusters, 1u);
}

TEST_F(DedupWrite, AnUnalignedWriteThatCompletesADuplicateIsFound) {
  disk.write(0, a);
  std::string almost = a;
  almost[100] = static_cast<char>(almost[100] ^ 1);
  disk.write(5, almost);
  EXPECT_NE(disk.host_of(5), disk.host_of(0));
  disk.write_at(5 * bytes() + 100, a.substr(100, 1));
  EXPECT_EQ(disk.host_of(5), disk.host_of(0));
  EXPECT_TRUE(disk.holds(5, a));
  EXPECT_EQ(disk.counters().missing_data_reads, 1u);
}

TEST_F(DedupWrite, AnUnalignedWriteThatCompletesAZeroClusterBecomesAZeroMapping) {
  std::string almost = disk.zeros();
  almost[7] = 'x';
  disk.write(5, almost);
  disk.write_at(5 * bytes() + 7, std::string(1, '\0'));
  EXPECT_FALSE(disk.host_of(5));
  EXPECT_TRUE(disk.status(5).zero);
  EXPECT_TRUE(disk.status(5).allocated);
  EXPECT_TRUE(disk.holds(5, disk.zeros()));
  EXPECT_EQ(disk.counters().zero_clusters, 1u);
}

TEST_F(DedupWrite, AnUnalignedWriteOverSeveralClustersKeepsWhatItDoesNotCover) {
  disk.write(0, a + b + c);
  std::string data = block::pattern(2 * bytes(), 77);
  disk.write_at(bytes() / 2, data);
  EXPECT_TRUE(disk.holds(0, a.substr(0, bytes() / 2) + data + c.substr(bytes() / 2)));
  EXPECT_EQ(disk.counters().missing_data_reads, 2u);
}

TEST_F(DedupWrite, ZerosBecomeZeroMappingsAtOnce) {
  disk.write(0, a + b);
  WriteWatch watch(*disk.file);
  disk.write(0, block::zeros(16 * bytes()));
  EXPECT_EQ(watch.writes(), 0u);
  EXPECT_EQ(disk.counters().zero_clusters, 16u);
  EXPECT_EQ(disk.counters().deleted_clusters, 2u);
  EXPECT_TRUE(disk.holds(0, block::zeros(16 * bytes())));
}

TEST_F(DedupWrite, ARequestMayHoldDuplicatesZerosAndNewContentMixed) {
  disk.write(60, a);
  std::string data = b + a + disk.zeros() + b + c + a + disk.zeros() + c;
  disk.write(0, data);
  EXPECT_TRUE(disk.holds(0, data));
  EXPECT_EQ(disk.host_of(1), disk.host_of(60));
  EXPECT_EQ(disk.host_of(5), disk.host_of(60));
  EXPECT_EQ(disk.host_of(3), disk.host_of(0)); // within the request itself
  EXPECT_EQ(disk.host_of(7), disk.host_of(4));
  DedupInfo info = disk.counters();
  EXPECT_EQ(info.deduplicated_clusters, 4u);
  EXPECT_EQ(info.undeduplicated_clusters, 3u);
  EXPECT_EQ(info.zero_clusters, 2u);
}

TEST_F(DedupWrite, TwoClustersMayExchangeTheirContentInOneRequest) {
  disk.write(0, a + b);
  disk.write(0, b + a);
  EXPECT_TRUE(disk.holds(0, b + a));
  disk.write(0, a + a);
  EXPECT_TRUE(disk.holds(0, a + a));
}

TEST_F(DedupWrite, AnOverwrittenClusterIsNotSharedWithinTheSameRequest) {
  disk.write(0, a + b);
  disk.write(0, c + a); // guest 0 gives up a, guest 1 wants it
  EXPECT_TRUE(disk.holds(0, c + a));
  disk.write(0, a + c); // guest 0 wants what guest 1 gives up
  EXPECT_TRUE(disk.holds(0, a + c));
}

TEST_F(DedupWrite, AZeroedClusterIsNoOwnerAnyMoreEvenWithoutUnmap) {
  disk.write(0, a);
  disk.write(1, b);
  disk.write(2, b);
  disk.write_zeroes(0, 2, false);
  disk.write(3, a + b);
  disk.write(2, c);
  disk.write(0, a);
  EXPECT_TRUE(disk.holds(0, a + disk.zeros() + c + a + b));
  EXPECT_EQ(disk.refcount_of(0), 2u);
}

TEST_F(DedupWrite, PausedWritesArePlainAndForgetWhatTheyOverwrite) {
  disk.write(0, a);
  ASSERT_TRUE(succeeded(disk.node().pause_dedup()));
  EXPECT_EQ(disk.counters().status, block::DedupStatus::paused);
  disk.write(1, a);
  EXPECT_NE(disk.host_of(1), disk.host_of(0));
  disk.write(0, b); // in place
  ASSERT_TRUE(succeeded(disk.node().resume_dedup()));
  disk.write(2, a);
  EXPECT_TRUE(disk.holds(0, b + a + a));
  EXPECT_NE(disk.host_of(2), disk.host_of(0));
  disk.write(3, a);
  EXPECT_EQ(disk.host_of(3), disk.host_of(2));
}

TEST_F(DedupWrite, ThePauseOutlivesACloseAndAnOpen) {
  ASSERT_TRUE(succeeded(disk.node().pause_dedup()));
  disk.reopen();
  EXPECT_EQ(disk.counters().status, block::DedupStatus::paused);
  ASSERT_TRUE(succeeded(disk.node().resume_dedup()));
  disk.reopen();
  disk.wait_for_index();
  EXPECT_EQ(disk.counters().status, block::DedupStatus::running);
}

TEST_F(DedupWrite, WhatOneSessionStoredTheNextOneFinds) {
  disk.write(0, a);
  disk.write(1, b);
  disk.write(2, b);
  disk.reopen();
  disk.wait_for_index();
  EXPECT_TRUE(disk.counters().table_trusted);
  EXPECT_EQ(disk.counters().index_entries, 2u);
  WriteWatch watch(*disk.file);
  disk.write(10, a);
  disk.write(11, b);
  EXPECT_EQ(watch.writes_to(*disk.host_of(0), bytes()), 0u);
  EXPECT_EQ(disk.host_of(10), disk.host_of(0));
  EXPECT_EQ(disk.host_of(11), disk.host_of(1));
  EXPECT_EQ(disk.counters().verify_reads, 0u);
}

TEST_F(DedupWrite, AReaderBuildsNoIndex) {
  disk.write(0, a);
  EXPECT_TRUE(succeeded(disk.close()));
  std::vector<std::byte> before = disk.file->content();
  disk.open({{"read-only", "on"}});
  EXPECT_TRUE(disk.holds(0, a));
  EXPECT_EQ(disk.counters().index_entries, 0u);
  EXPECT_EQ(disk.counters().index_bytes, 0u);
  EXPECT_TRUE(succeeded(disk.close()));
  EXPECT_EQ(disk.file->content(), before);
}

TEST_F(DedupWrite, AGrownDiskKeepsDeduplicating) {
  disk.write(0, a);
  ASSERT_TRUE(succeeded(disk.node().co_truncate(10000 * bytes())));
  disk.write(9999, a);
  EXPECT_EQ(disk.host_of(9999), disk.host_of(0));
  EXPECT_TRUE(disk.holds(9998, disk.zeros()));
  disk.reopen();
  EXPECT_TRUE(disk.holds(9999, a));
}

} // namespace
} // namespace qcow2_dedup
