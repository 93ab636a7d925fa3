// A full file: writes that need room fail with ENOSPC and harm nothing, all others go on, and with
// room again everything works.
#include "tests/support/qcow2-disk.h"

#include <map>
#include <random>

namespace qcow2_dedup {
namespace {

using block::DiskShape;
using block::Qcow2Disk;
using block::Result;

constexpr std::uint64_t clusters = 1024; // 16 L2 tables of 64 entries

DiskShape shape_of(bool dedup) {
  DiskShape shape;
  shape.cluster_bits = 9;
  shape.guest_clusters = clusters;
  shape.dedup = dedup;
  return shape;
}

class FullDisk : public testing::TestWithParam<bool> {
protected:
  Qcow2Disk disk{shape_of(GetParam())};
  // What each cluster must hold; after a failed write it is the old content or the new.
  std::map<std::uint64_t, std::string> known;

  // Leaves room for so many clusters at the end of the file, and what is free within it.
  void leave_room(std::uint64_t more) {
    disk.file->set_capacity(disk.file->length() + more * disk.cluster_bytes());
  }
  int write(std::uint64_t guest, const std::string& data) {
    Result<void> done = disk.try_write(guest, data);
    for (std::uint64_t i = 0; i < data.size() / disk.cluster_bytes(); ++i) {
      const std::string now = data.substr(i * disk.cluster_bytes(), disk.cluster_bytes());
      std::string& held = known[guest + i];
      if (held.empty()) held = disk.zeros();
      if (done || disk.holds(guest + i, now))
        held = now;
      else
        EXPECT_TRUE(disk.holds(guest + i, held)) << "neither the old content nor the new";
    }
    return done ? 0 : done.error().errno_value();
  }
  void expect_content() {
    for (const auto& [guest, content] : known)
      ASSERT_TRUE(disk.holds(guest, content));
  }
  // Content that nothing else holds, until no more fits.
  void fill(std::uint64_t first) {
    for (std::uint64_t guest = first; guest < clusters; ++guest) {
      const int failed = write(guest, disk.pattern(static_cast<unsigned>(100000 + guest)));
      if (failed == 0) continue;
      EXPECT_EQ(failed, ENOSPC);
      return;
    }
    FAIL() << "the file is not full";
  }
};

TEST_P(FullDisk, FailsWritesThatNeedRoomAndNothingElse) {
  for (std::uint64_t guest = 0; guest < 128; ++guest)
    write(guest, disk.pattern(static_cast<unsigned>(guest)));
  disk.flush();
  leave_room(100);
  fill(128);
  expect_content();
  disk.flush();
  if (GetParam()) {
    // Known content, zeros and discards need none, where an L2 table is there already.
    for (std::uint64_t guest = 20; guest < 60; ++guest)
      EXPECT_EQ(write(guest, disk.pattern(static_cast<unsigned>(guest + 40))), 0) << guest;
    disk.flush();
  } else {
    EXPECT_EQ(write(3, disk.pattern(9000)), 0) << "in place";
  }
  disk.write_zeroes(100, 4, true);
  disk.discard(104, 4);
  for (std::uint64_t guest = 100; guest < 108; ++guest)
    known[guest] = disk.zeros();
  disk.flush(); // what was freed is free now
  EXPECT_EQ(write(110, disk.pattern(7000)), 0) << "room was given back";
  disk.file->set_capacity(UINT64_MAX);
  for (std::uint64_t guest = 600; guest < 640; ++guest)
    EXPECT_EQ(write(guest, disk.pattern(static_cast<unsigned>(5000 + guest))), 0);
  expect_content();
  disk.reopen();
  expect_content();
  EXPECT_TRUE(succeeded(disk.close()));
  disk.expect_clean();
}

TEST_P(FullDisk, CanBeClosedAndOpenedAndReadWhileItIsFull) {
  for (std::uint64_t guest = 0; guest < 128; ++guest)
    write(guest, disk.pattern(static_cast<unsigned>(guest)));
  leave_room(60);
  fill(128);
  EXPECT_TRUE(succeeded(disk.close()));
  disk.expect_consistent();
  ASSERT_NO_FATAL_FAILURE(disk.open());
  expect_content();
  EXPECT_EQ(write(900, disk.pattern(70000) + disk.pattern(70001)), ENOSPC);
  expect_content();
  EXPECT_TRUE(succeeded(disk.close()));
  disk.file->set_capacity(UINT64_MAX);
  ASSERT_NO_FATAL_FAILURE(disk.open());
  EXPECT_EQ(write(900, disk.pattern(70000) + disk.pattern(70001)), 0);
  expect_content();
  EXPECT_TRUE(succeeded(disk.close()));
  disk.expect_consistent();
}

TEST_P(FullDisk, MatchesAModelWhileRoomComesAndGoes) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  std::uint64_t failures = 0;
  for (int round = 0; round < 30; ++round) {
    leave_room(random() % 40);
    for (int step = 0; step < 60; ++step) {
      const std::uint64_t guest = random() % (clusters - 8);
      std::string data;
      for (std::uint64_t i = 0; i <= random() % 8; ++i)
        data += disk.pattern(random() % 3 ? random() % 200 : random());
      const int failed = write(guest, data);
      failures += failed != 0;
      EXPECT_TRUE(failed == 0 || failed == ENOSPC) << failed;
      if (step % 20 == 19) {
        const std::uint64_t count = 1 + random() % 7;
        const bool discarded =
            disk.node().co_pdiscard(guest * 512, count * 512).ok(); // may need an L2 table
        for (std::uint64_t i = 0; i < count; ++i)
          if (discarded || disk.holds(guest + i, disk.zeros())) known[guest + i] = disk.zeros();
        (void)disk.node().co_flush().ok();
      }
    }
    ASSERT_NO_FATAL_FAILURE(expect_content());
    disk.file->set_capacity(UINT64_MAX);
    if (round % 5 == 4) {
      disk.reopen();
      ASSERT_NO_FATAL_FAILURE(expect_content());
    }
  }
  EXPECT_GT(failures, 10u);
  EXPECT_TRUE(succeeded(disk.close()));
  disk.expect_consistent();
}

// A hash block takes 128 clusters. Its hashes are lost, and the image is closed cleanly.
TEST(FullDiskOfHashes, IsClosedWhereNoHashBlockHasRoom) {
  Qcow2Disk disk(shape_of(true));
  for (std::uint64_t guest = 0; guest < 8; ++guest)
    disk.write(guest, disk.pattern(static_cast<unsigned>(guest)));
  disk.flush();
  disk.file->set_capacity(disk.file->length() + 20 * disk.cluster_bytes());
  EXPECT_TRUE(succeeded(disk.close()));
  EXPECT_FALSE(disk.header().dirty());
  disk.expect_clean();
  disk.file->set_capacity(UINT64_MAX);
  disk.open();
  disk.wait_for_scan();
  for (std::uint64_t guest = 0; guest < 8; ++guest) {
    ASSERT_TRUE(disk.holds(guest, disk.pattern(static_cast<unsigned>(guest))));
    disk.write(100 + guest, disk.pattern(static_cast<unsigned>(guest)));
  }
}

INSTANTIATE_TEST_SUITE_P(Qcow2, FullDisk, testing::Bool(),
                         [](const auto& kind) { return kind.param ? "Dedup" : "Plain"; });

} // namespace
} // namespace qcow2_dedup
