// Deduplication at the edges of the format: refcount widths, cluster sizes, large runs of one
// content, growing tables.
#include "tests/support/qcow2-disk.h"

#include <set>

namespace qcow2_dedup {
namespace {

using block::DiskShape;
using block::Qcow2Disk;

DiskShape shaped(unsigned cluster_bits, std::uint64_t guest_clusters, unsigned refcount_bits = 16) {
  DiskShape shape;
  shape.cluster_bits = cluster_bits;
  shape.guest_clusters = guest_clusters;
  shape.refcount_bits = refcount_bits;
  return shape;
}

void expect_clean_after_close(Qcow2Disk& disk) {
  EXPECT_TRUE(succeeded(disk.close()));
  disk.expect_clean();
}

class RefcountThreshold : public testing::TestWithParam<unsigned> {};

TEST_P(RefcountThreshold, LeavesHalfOfTheRangeAndStoresTheContentAgain) {
  unsigned width = GetParam();
  std::uint64_t limit = width == 1 ? 1 : std::uint64_t{1} << (width - 1);
  Qcow2Disk disk(shaped(12, 3 * limit + 1, width));
  std::string content = disk.pattern(1);
  std::set<std::uint64_t> hosts;
  for (std::uint64_t guest = 0; guest < 3 * limit + 1; ++guest) {
    disk.write(guest, content);
    hosts.insert(*disk.host_of(guest));
    EXPECT_LE(disk.refcount_of(guest), limit);
  }
  EXPECT_EQ(hosts.size(), 4u);
  EXPECT_EQ(disk.counters().refcount_overflows, 3u);
  for (std::uint64_t guest = 0; guest < 3 * limit + 1; ++guest)
    EXPECT_TRUE(disk.holds(guest, content));
  expect_clean_after_close(disk);
}

INSTANTIATE_TEST_SUITE_P(Widths, RefcountThreshold, testing::Values(1, 2, 8));

// So many owners as half of a wide range cannot be made; but the file can say that there are.
class WideRefcountThreshold : public testing::TestWithParam<unsigned> {};

TEST_P(WideRefcountThreshold, StopsSharingAtHalfOfTheRangeAndNotBefore) {
  unsigned width = GetParam();
  std::uint64_t limit = std::uint64_t{1} << (width - 1);
  Qcow2Disk disk(shaped(12, 64, width));
  std::string content = disk.pattern(1);
  disk.write(0, content + content);
  std::uint64_t host = *disk.host_of(0);
  EXPECT_TRUE(succeeded(disk.close()));
  std::vector<std::byte> file = disk.file->content();
  std::uint64_t refcount_block = disk.file64(disk.header().refcount_table_offset.value());
  for (unsigned byte = 0; byte < width / 8; ++byte) // big endian: limit - 1
    file.at(refcount_block + host * width / 8 + byte) =
        byte == 0 ? std::byte{0x7f} : std::byte{0xff};
  disk.file->set_content(std::move(file));
  EXPECT_EQ(disk.stored_refcount(host), limit - 1);
  disk.open();
  disk.wait_for_index();
  disk.write(8, content); // the last that has room
  EXPECT_EQ(disk.host_of(8), host);
  EXPECT_EQ(disk.refcount_of(8), limit);
  EXPECT_EQ(disk.counters().refcount_overflows, 0u);
  disk.write(9, content);
  EXPECT_NE(disk.host_of(9), host);
  EXPECT_EQ(disk.refcount_of(8), limit);
  EXPECT_EQ(disk.counters().refcount_overflows, 1u);
  disk.write(10, content);
  EXPECT_EQ(disk.host_of(10), disk.host_of(9));
  EXPECT_TRUE(disk.holds(0, content + content));
  EXPECT_TRUE(disk.holds(8, content + content + content));
  EXPECT_TRUE(succeeded(disk.close()));
}

INSTANTIATE_TEST_SUITE_P(Widths, WideRefcountThreshold, testing::Values(8, 16, 32, 64));

class ManyClusters : public testing::Test {
protected:
  static constexpr std::uint64_t clusters = 101'000, piece = 1000;
  void fill(Qcow2Disk& disk, const std::string& cluster) {
    std::string data;
    for (std::uint64_t i = 0; i < piece; ++i)
      data += cluster;
    for (std::uint64_t guest = 0; guest < clusters; guest += piece)
      disk.write(guest, data);
    EXPECT_TRUE(disk.holds(clusters - piece, data));
  }
};

TEST_F(ManyClusters, OfZerosStoreNothing) {
  Qcow2Disk disk(shaped(9, clusters));
  fill(disk, disk.zeros());
  EXPECT_EQ(disk.counters().file_written_bytes, 0u);
  EXPECT_EQ(disk.counters().zero_clusters, clusters);
  expect_clean_after_close(disk);
}

// By refcount width.
class ManyEqualClusters : public ManyClusters, public testing::WithParamInterface<unsigned> {};

TEST_P(ManyEqualClusters, StoreOneForEachHalfOfTheRefcountsRange) {
  std::uint64_t owners = std::uint64_t{1} << (GetParam() - 1);
  std::uint64_t stored = (clusters + owners - 1) / owners;
  Qcow2Disk disk(shaped(9, clusters, GetParam()));
  fill(disk, disk.pattern(1));
  EXPECT_EQ(disk.counters().undeduplicated_clusters, stored);
  EXPECT_EQ(disk.counters().deduplicated_clusters, clusters - stored);
  EXPECT_EQ(disk.counters().refcount_overflows, stored - 1);
  expect_clean_after_close(disk);
}

INSTANTIATE_TEST_SUITE_P(Widths, ManyEqualClusters, testing::Values(8, 16, 32, 64));

TEST(ClusterSizes, TheSmallestGrowsEveryTable) {
  Qcow2Disk disk(shaped(9, 30'000, 64));
  std::string data = block::pattern(100 * disk.cluster_bytes(), 1);
  for (std::uint64_t guest = 0; guest < 24'000; guest += 100)
    disk.write(guest, block::pattern(data.size(), unsigned(guest) + 1));
  EXPECT_EQ(disk.counters().undeduplicated_clusters, 24'000u);
  expect_clean_after_close(disk);
  EXPECT_GT(disk.header().refcount_table_clusters, 1u);
  EXPECT_GT(disk.table_clusters(), 14u * 128);
  disk.open();
  disk.wait_for_index();
  disk.write(29'000, data);
  EXPECT_EQ(disk.host_of(29'000), disk.host_of(0));
  EXPECT_EQ(disk.host_of(29'099), disk.host_of(99));
  for (std::uint64_t guest = 0; guest < 24'000; guest += 1000)
    EXPECT_TRUE(disk.holds(guest, block::pattern(data.size(), unsigned(guest) + 1)));
  expect_clean_after_close(disk);
}

TEST(ClusterSizes, TheLargestKeepsHashBlocksTogether) {
  Qcow2Disk disk(shaped(21, 16));
  std::string a = disk.pattern(1), b = disk.pattern(2);
  disk.write(0, a);
  disk.write(1, b + a);
  disk.write_at(5 * disk.cluster_bytes() + 4096, "a few bytes");
  expect_clean_after_close(disk);
  EXPECT_EQ(disk.table_clusters(), 2u); // L1, and one cluster of hash blocks
  disk.open();
  disk.wait_for_index();
  disk.write(9, b);
  EXPECT_EQ(disk.host_of(9), disk.host_of(1));
  EXPECT_TRUE(disk.holds(0, a + b + a));
  expect_clean_after_close(disk);
}

} // namespace
} // namespace qcow2_dedup
