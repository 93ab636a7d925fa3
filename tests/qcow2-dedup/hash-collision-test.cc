// Hashes that are all the same, or that cannot be computed: no wrong data is shared, none is lost.
//
// This program defines XXH3_128bits itself; the linker prefers it to libxxhash's own.
#include "tests/support/qcow2-disk.h"

#include <xxhash.h>

namespace {

std::atomic<std::uint64_t> every_hash{1};
std::atomic<unsigned> hashed{0}; // buffers

} // namespace

XXH128_hash_t XXH3_128bits(const void*, std::size_t) {
  ++hashed;
  return {every_hash, 0};
}

namespace qcow2_dedup {
namespace {

block::DiskShape xxh3_disk() {
  block::DiskShape shape;
  shape.create.set("dedup", "xxh3-128");
  return shape;
}

class HashCollision : public testing::TestWithParam<const char*> {
protected:
  HashCollision() : disk(xxh3_disk()) {
    every_hash = 1;
    reopen();
  }
  void reopen() {
    EXPECT_TRUE(succeeded(disk.close()));
    disk.open({{"dedup-verify", GetParam()}});
    disk.wait_for_index();
  }

  block::Qcow2Disk disk;
  std::string a = disk.pattern(1), b = disk.pattern(2), c = disk.pattern(3);
};

TEST_P(HashCollision, SharesEqualBytesAndNoOthers) {
  disk.write(0, a);
  disk.write(1, b);
  disk.write(2, c + a);
  EXPECT_TRUE(disk.holds(0, a + b + c + a));
  EXPECT_EQ(disk.host_of(3), disk.host_of(0));
  EXPECT_EQ(disk.refcount_of(0), 2u);
  EXPECT_TRUE(disk.counters().table_trusted);
  EXPECT_TRUE(disk.counters().verify);
  EXPECT_EQ(disk.counters().verify_mismatches, 2u);
  EXPECT_EQ(disk.counters().verify_reads, 3u);
  ASSERT_TRUE(succeeded(disk.close()));
  disk.expect_clean();
}

TEST_P(HashCollision, WithTheContentThatStandsThereIsNotTakenForTheSame) {
  disk.write(0, a);
  disk.write(0, b);
  EXPECT_TRUE(disk.holds(0, b));
  disk.write(1, a + b);
  disk.write(1, c + c);
  EXPECT_TRUE(disk.holds(0, b + c + c));
  ASSERT_TRUE(succeeded(disk.close()));
  disk.expect_clean();
}

TEST_P(HashCollision, WithinOneRequestKeepsAllContents) {
  disk.write(0, a + b + a + c + b + a);
  EXPECT_TRUE(disk.holds(0, a + b + a + c + b + a));
  EXPECT_EQ(disk.refcount_of(0), 3u);
  reopen();
  disk.write(8, b + a);
  EXPECT_TRUE(disk.holds(8, b + a));
  EXPECT_EQ(disk.host_of(9), disk.host_of(0));
  ASSERT_TRUE(succeeded(disk.close()));
  disk.expect_clean();
}

TEST_P(HashCollision, HashesEachClusterOnceHoweverOftenItIsLookedUp) {
  disk.write(0, a);
  hashed = 0;
  disk.write(1, b + disk.zeros() + a + b + c); // refuted, and each waits for the one before it
  // And what a comparison failed with, which tells a collision from an entry that is wrong.
  EXPECT_EQ(hashed, 4u + 3u);
  disk.write_at(10 * disk.cluster_bytes() + 5, "a part of one");
  EXPECT_EQ(hashed, 5u + 4u);
}

TEST_P(HashCollision, NoFingerprintMatchesNothing) {
  every_hash = 0;
  disk.write(0, a + a);
  EXPECT_NE(disk.host_of(0), disk.host_of(1));
  disk.write(0, b); // where a cluster without a fingerprint stands already
  EXPECT_TRUE(disk.holds(0, b + a));
  EXPECT_EQ(disk.counters().undeduplicated_clusters, 3u);
  EXPECT_EQ(disk.counters().deduplicated_clusters, 0u);
  EXPECT_EQ(disk.counters().hashes_created, 0u);
  EXPECT_EQ(disk.counters().verify_reads, 0u);
  ASSERT_TRUE(succeeded(disk.close()));
  disk.expect_clean();
}

TEST_P(HashCollision, NoFingerprintTakesTheFormerOneAway) {
  disk.write(0, a);
  every_hash = 0;
  disk.write(0, b); // in place
  every_hash = 1;
  disk.write(1, a);
  EXPECT_TRUE(disk.holds(0, b + a));
  EXPECT_EQ(disk.counters().verify_mismatches, 0u);
  ASSERT_TRUE(succeeded(disk.close()));
  disk.expect_clean();
}

TEST_P(HashCollision, InTheBackgroundScanSharesEqualBytesAndNoOthers) {
  disk.write(0, a);
  ASSERT_TRUE(succeeded(disk.node().pause_dedup()));
  disk.write(1, b + c + a + b);
  ASSERT_TRUE(succeeded(disk.node().resume_dedup({})));
  disk.wait_for_scan();
  EXPECT_TRUE(disk.holds(0, a + b + c + a + b));
  EXPECT_EQ(disk.host_of(3), disk.host_of(0));
  EXPECT_EQ(disk.counters().scan_deduplicated_clusters, 1u);
  EXPECT_EQ(disk.counters().verify_mismatches, 3u);
  ASSERT_TRUE(succeeded(disk.close()));
  disk.expect_clean();
}

TEST_P(HashCollision, NoFingerprintInTheBackgroundScanLeavesTheDataWhereItIs) {
  ASSERT_TRUE(succeeded(disk.node().pause_dedup()));
  disk.write(0, a + b + a);
  every_hash = 0;
  ASSERT_TRUE(succeeded(disk.node().resume_dedup({})));
  disk.wait_for_scan();
  EXPECT_TRUE(disk.holds(0, a + b + a));
  EXPECT_NE(disk.host_of(0), disk.host_of(2));
  EXPECT_EQ(disk.counters().scanned_clusters, 3u);
  EXPECT_EQ(disk.counters().hashes_created, 0u);
  ASSERT_TRUE(succeeded(disk.close()));
  disk.expect_clean();
}

TEST_P(HashCollision, AHashThatCannotBeComputedIsNoProofAgainstTheTable) {
  disk.write(0, a);
  ASSERT_TRUE(succeeded(disk.close()));
  every_hash = 0;
  block::DiskCheck found = disk.check();
  EXPECT_EQ(found.report.corruptions, 0u);
  EXPECT_EQ(found.report.check_errors, 1u);
  ASSERT_EQ(found.lines.size(), 1u);
  EXPECT_NE(found.lines[0].find("the hash cannot be computed"), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(Verify, HashCollision, testing::Values("off", "on"),
                         [](const auto& parameter) { return std::string(parameter.param); });

} // namespace
} // namespace qcow2_dedup
