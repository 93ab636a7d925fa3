// Without the page cache the driver takes space for the file in advance, and gives back what it did
// not need.
#include "tests/support/qcow2-disk.h"

namespace qcow2 {
namespace {

using block::DiskShape;
using block::MemoryOperation;
using block::Qcow2Disk;
using block::succeeded;

constexpr std::uint64_t mib = 1 << 20;

DiskShape shape(bool dedup, bool direct) {
  DiskShape shape;
  shape.dedup = dedup;
  shape.guest_clusters = 1000;
  shape.open = {{"cache.direct", direct ? "on" : "off"}};
  return shape;
}

class Reserve : public testing::TestWithParam<bool> {
protected:
  // The same writes, in an order that leaves holes for a while.
  static void write(Qcow2Disk& disk) {
    for (unsigned guest = 0; guest < 200; ++guest)
      disk.write(guest * 37 % 1000, disk.pattern(guest));
  }
  static void expect_content(Qcow2Disk& disk) {
    for (unsigned guest = 0; guest < 200; ++guest)
      EXPECT_TRUE(disk.holds(guest * 37 % 1000, disk.pattern(guest)));
  }

  Qcow2Disk disk{shape(GetParam(), true)};
};

TEST_P(Reserve, MakesTheFileLongerSeldom) {
  write(disk);
  EXPECT_GE(disk.file->length(), mib);
  EXPECT_LE(disk.file->count(MemoryOperation::truncate), 4u);
  expect_content(disk);
}

TEST_P(Reserve, LeavesTheFileAsItWouldBeWithout) {
  Qcow2Disk cached(shape(GetParam(), false));
  for (Qcow2Disk* one : {&disk, &cached}) {
    write(*one);
    EXPECT_TRUE(succeeded(one->close()));
  }
  EXPECT_EQ(cached.file->count(MemoryOperation::truncate), 0u);
  EXPECT_TRUE(disk.file->content() == cached.file->content());
  disk.expect_clean();
}

TEST_P(Reserve, IsNotTakenForDataAfterACrash) {
  write(disk);
  disk.flush();
  disk.kill();
  EXPECT_GE(disk.file->length(), mib);
  disk.open();
  expect_content(disk);
  disk.write(5, disk.pattern(1000));
  EXPECT_TRUE(succeeded(disk.close()));
  disk.expect_consistent();
  disk.open();
  EXPECT_TRUE(disk.holds(5, disk.pattern(1000)));
}

TEST_P(Reserve, IsDoneWithoutWhereThereIsNoSpaceForIt) {
  disk.file->set_capacity(disk.file->length() + 900 * disk.cluster_bytes());
  disk.file->fail_always(MemoryOperation::truncate, ENOSPC);
  write(disk);
  expect_content(disk);
  EXPECT_EQ(disk.file->count(MemoryOperation::truncate), 1u);
  EXPECT_TRUE(succeeded(disk.close()));
  disk.expect_clean();
}

INSTANTIATE_TEST_SUITE_P(Image, Reserve, testing::Bool(),
                         [](const auto& test) { return test.param ? "Dedup" : "Plain"; });

} // namespace
} // namespace qcow2
