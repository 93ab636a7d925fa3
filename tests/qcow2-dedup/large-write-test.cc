// Writes that are worked off in several pieces: each piece is as if it were written by itself.
#include "tests/support/qcow2-disk.h"

#include <thread>

namespace qcow2_dedup {
namespace {

using block::MemoryOperation;
using block::Qcow2Disk;

// Three pieces and a bit of a request that has the image to itself.
constexpr std::uint64_t clusters = 200;

class LargeWrite : public testing::Test {
protected:
  // New content, with some of it twice, and zeros here and there.
  std::string content(unsigned seed) const {
    std::string data;
    for (unsigned i = 0; i < clusters; ++i)
      data += i % 16 == 3 ? disk.zeros() : disk.pattern(seed + i % 150);
    return data;
  }
  std::string cluster_of(const std::string& data, std::uint64_t i) const {
    return data.substr(i * disk.cluster_bytes(), disk.cluster_bytes());
  }
  void TearDown() override {
    EXPECT_TRUE(succeeded(disk.close()));
    disk.expect_consistent();
  }

  Qcow2Disk disk{{.guest_clusters = 1024}};
};

TEST_F(LargeWrite, SharesWithinAPieceAndBetweenPieces) {
  const std::string data = content(1);
  disk.write(5, data);
  EXPECT_TRUE(disk.holds(5, data));
  EXPECT_EQ(disk.host_of(5 + 151), disk.host_of(5 + 1));
  EXPECT_FALSE(disk.host_of(5 + 3)) << "zeros were stored";
  disk.write(500, data);
  EXPECT_TRUE(disk.holds(500, data));
  for (std::uint64_t i = 0; i < clusters; ++i)
    EXPECT_EQ(disk.host_of(500 + i), disk.host_of(5 + i)) << "cluster " << i;
}

TEST_F(LargeWrite, KeepsWhatLiesAroundIt) {
  const std::string around = content(1), data = content(5000).substr(0, 150 * 4096 + 1000);
  disk.write(0, around);
  disk.write_at(700, data);
  std::string expected = around;
  expected.replace(700, data.size(), data);
  EXPECT_TRUE(disk.holds(0, expected));
}

// Every operation on the file fails once: each cluster is then as it was or as it was to be.
TEST_F(LargeWrite, ThatFailsLeavesEachClusterOldOrNew) {
  const std::string old = content(1), wanted = content(5000);
  for (MemoryOperation operation : {MemoryOperation::read, MemoryOperation::write}) {
    bool reached = true;
    for (std::uint64_t nth = 1; reached; ++nth) {
      ASSERT_LT(nth, 1000u) << "it does not end";
      disk.discard(0, 1024);
      disk.write(0, old);
      disk.flush();
      // Writes of parts read what is missing, so there is something to fail.
      const std::uint64_t before = disk.file->count(operation);
      disk.file->fail(operation, nth, EIO);
      const bool written =
          block::write(disk.node(), 700, wanted.substr(700, wanted.size() - 1400)).ok();
      reached = disk.file->count(operation) >= before + nth;
      disk.file->heal();
      EXPECT_EQ(written, !reached) << "operation " << nth;
      for (std::uint64_t i = 1; i + 1 < clusters; ++i) {
        const std::string got = disk.read(i);
        const bool is_new = got == cluster_of(wanted, i);
        ASSERT_TRUE(is_new || (!written && got == cluster_of(old, i)))
            << "cluster " << i << ", operation " << nth;
      }
      disk.write(600, old);
      ASSERT_TRUE(disk.holds(600, old));
    }
  }
}

TEST_F(LargeWrite, OfSeveralThreadsDoNotMix) {
  std::vector<std::thread> threads;
  for (unsigned thread = 0; thread < 4; ++thread)
    threads.emplace_back([this, thread] {
      for (unsigned turn = 0; turn < 5; ++turn) {
        const std::string data = content(turn % 2 ? 1 : 1 + thread * 1000);
        disk.write(thread * 256, data);
        EXPECT_TRUE(disk.holds(thread * 256, data));
      }
    });
  for (std::thread& thread : threads)
    thread.join();
}

} // namespace
} // namespace qcow2_dedup
