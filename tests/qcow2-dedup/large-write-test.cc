// Writes that are worked off in several pieces: each piece is as if it were written by itself.
#include "tests/support/qcow2-disk.h"

#include <random>
#include <thread>

namespace qcow2_dedup {
namespace {

using block::MemoryOperation;
using block::Qcow2Disk;
using block::Result;

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

struct Shape {
  unsigned cluster_bits;
  bool direct;
  bool verify;
  bool faults;
};

void PrintTo(const Shape& shape, std::ostream* out) {
  *out << (1u << shape.cluster_bits) << " bytes" << (shape.direct ? ", direct" : "")
       << (shape.verify ? ", verify" : "") << (shape.faults ? ", faults" : "");
}

// Writes of up to 6 MiB from anywhere to anywhere, in memory that is in one piece or in several.
class LargeWrites : public testing::TestWithParam<Shape> {
protected:
  static constexpr std::uint64_t disk_bytes = 16u << 20;
  static constexpr std::uint64_t longest = 6u << 20;

  static block::DiskShape shape() {
    block::DiskShape made{.cluster_bits = GetParam().cluster_bits,
                          .guest_clusters = disk_bytes >> GetParam().cluster_bits};
    if (GetParam().direct) made.open.set("cache.direct", "on");
    if (GetParam().verify) made.open.set("dedup-verify", "on");
    return made;
  }
  std::uint64_t below(std::uint64_t end) { return random() % end; }

  // A few contents again and again, some of them new; clusters begin where the disk's do.
  std::string content(std::uint64_t offset, std::uint64_t length) {
    const std::uint64_t skew = offset % disk.cluster_bytes();
    std::string data;
    while (data.size() < skew + length) {
      const std::uint64_t choice = below(12);
      data += choice == 0 ? disk.zeros()
                          : disk.pattern(choice < 3 ? fresh++ : static_cast<unsigned>(choice));
    }
    return data.substr(skew, length);
  }
  Result<void> write(std::uint64_t offset, std::string& data) {
    if (below(2) == 0) return block::write(disk.node(), offset, data);
    block::IoVector vector(data.data(), 0);
    for (std::uint64_t at = 0; at < data.size();) {
      const std::uint64_t bytes = std::min(data.size() - at, 1 + below(300u << 10));
      vector.append(block::IoVector(data.data() + at, bytes));
      at += bytes;
    }
    return disk.node().co_writev(offset, vector, {});
  }
  // What a write that failed has left: of each cluster what was there, or what was to be.
  void expect_old_or_new(std::uint64_t offset, const std::string& wanted) {
    const std::string got = block::read(disk.node(), offset, wanted.size());
    for (std::uint64_t at = 0; at < wanted.size();) {
      const std::uint64_t left = disk.cluster_bytes() - (offset + at) % disk.cluster_bytes();
      const std::string part = got.substr(at, left);
      ASSERT_TRUE(part == wanted.substr(at, left) || part == model.substr(offset + at, part.size()))
          << "at " << offset + at;
      at += left;
    }
    model.replace(offset, got.size(), got);
  }

  std::mt19937 random{GetParam().cluster_bits};
  Qcow2Disk disk{shape()};
  std::string model = block::zeros(disk_bytes);
  unsigned fresh = 1000;
};

TEST_P(LargeWrites, AreAsIfEachClusterWereWrittenByItself) {
  for (int step = 0; step < 12 && !HasFailure(); ++step) {
    const std::uint64_t length = 1 + below(longest), offset = below(disk_bytes - length);
    std::string data = content(offset, length);
    if (GetParam().faults)
      disk.file->fail(below(3) ? MemoryOperation::write : MemoryOperation::read, 1 + below(12),
                      below(2) ? EIO : ENOSPC);
    const Result<void> written = write(offset, data);
    disk.file->heal();
    if (written)
      model.replace(offset, length, data);
    else
      ASSERT_NO_FATAL_FAILURE(expect_old_or_new(offset, data));
    EXPECT_TRUE(written.ok() || GetParam().faults);
    ASSERT_TRUE(disk.holds(0, model));
  }
  EXPECT_TRUE(succeeded(disk.close()));
  disk.expect_consistent();
  // The table tells the truth: what it finds for the same contents is the same.
  disk.open();
  disk.wait_for_index();
  disk.write(0, model);
  EXPECT_TRUE(disk.holds(0, model));
  EXPECT_TRUE(succeeded(disk.close()));
  disk.expect_consistent();
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, LargeWrites,
    testing::Values(Shape{9, false, false, false}, Shape{12, false, false, false},
                    Shape{12, true, false, false}, Shape{12, false, true, false},
                    Shape{14, false, false, false}, Shape{16, true, false, false},
                    Shape{21, false, false, false}, Shape{12, false, false, true},
                    Shape{12, true, false, true}, Shape{16, false, false, true}));

} // namespace
} // namespace qcow2_dedup
