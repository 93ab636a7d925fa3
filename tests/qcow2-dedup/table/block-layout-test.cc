// Hash blocks: the numbers of the format, entries there and back, and what counts as damage.
#include "block/qcow2-dedup/table/block-layout.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace qcow2_dedup {
namespace {

using block::GuestOffset;
using block::HostCluster;

constexpr block::ClusterSize four_kib{12};
constexpr std::uint64_t disk_bytes = std::uint64_t{1} << 30;

dedup::Fingerprint fingerprint(unsigned first) {
  dedup::Fingerprint result;
  for (std::size_t i = 0; i < result.bytes.size(); ++i)
    result.bytes[i] = static_cast<std::byte>(first + i);
  return result;
}

class BlockLayout : public testing::Test {
protected:
  HashBlock block() { return HashBlock(bytes_.data(), hash_block_bytes); }
  std::byte& byte_of_entry(std::size_t slot, std::size_t byte) {
    return bytes_[slot * entry_bytes + byte];
  }
  block::Result<void> check(std::size_t slot) {
    return check_entry(block(), 0, slot, four_kib, disk_bytes);
  }
  void expect_corrupt(std::size_t slot, const std::string& message) {
    const auto result = check(slot);
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().kind(), block::ErrorKind::corrupt);
    EXPECT_EQ(result.error().message(), message);
  }

  std::vector<std::byte> bytes_ = std::vector<std::byte>(hash_block_bytes);
};

TEST_F(BlockLayout, HasTheNumbersOfTheFormat) {
  EXPECT_EQ(entries_per_block, 1638u);
  EXPECT_EQ(hash_block_bytes - entries_per_block * entry_bytes, 16u);
}

TEST_F(BlockLayout, FindsTheFirstAndLastClusterOfEachBlock) {
  EXPECT_EQ(block_index_of(HostCluster(0)), 0u);
  EXPECT_EQ(slot_of(HostCluster(0)), 0u);
  EXPECT_EQ(block_index_of(HostCluster(entries_per_block - 1)), 0u);
  EXPECT_EQ(slot_of(HostCluster(entries_per_block - 1)), entries_per_block - 1);
  EXPECT_EQ(block_index_of(HostCluster(entries_per_block)), 1u);
  EXPECT_EQ(slot_of(HostCluster(entries_per_block)), 0u);
}

TEST_F(BlockLayout, ClusterAtUndoesBlockIndexAndSlot) {
  for (const std::uint64_t number : {std::uint64_t{0}, std::uint64_t{1637}, std::uint64_t{1638},
                                     std::uint64_t{123'456'789}, (std::uint64_t{1} << 47) - 1}) {
    const HostCluster cluster(number);
    EXPECT_EQ(cluster_at(block_index_of(cluster), slot_of(cluster)), cluster);
  }
}

TEST_F(BlockLayout, StoresHashThenBigEndianOffset) {
  store_entry(block(), 1, {fingerprint(0x10), GuestOffset(0x0123456789ABC000)});
  EXPECT_EQ(byte_of_entry(1, 0), std::byte{0x10});
  EXPECT_EQ(byte_of_entry(1, 31), std::byte{0x2F});
  constexpr unsigned offset_bytes[] = {0x01, 0x23, 0x45, 0x67, 0x89, 0xAB, 0xC0, 0x00};
  for (std::size_t i = 0; i < 8; ++i)
    EXPECT_EQ(byte_of_entry(1, 32 + i), static_cast<std::byte>(offset_bytes[i]));
}

TEST_F(BlockLayout, LoadsWhatItStoredInEverySlotAndTouchesNoOther) {
  for (std::size_t slot = 0; slot < entries_per_block; ++slot) {
    const Entry entry{fingerprint(static_cast<unsigned>(slot) | 1), GuestOffset(slot * 4096)};
    store_entry(block(), slot, entry);
  }
  for (std::size_t slot = 0; slot < entries_per_block; ++slot) {
    const Entry entry{fingerprint(static_cast<unsigned>(slot) | 1), GuestOffset(slot * 4096)};
    ASSERT_EQ(load_entry(block(), slot), entry);
    ASSERT_TRUE(check(slot).ok());
  }
  EXPECT_TRUE(check_block_end(block()).ok());
}

TEST_F(BlockLayout, MarksAnUnknownFirstOwnerInTheLowestBit) {
  const Entry entry{fingerprint(1), std::nullopt};
  store_entry(block(), 5, entry);
  EXPECT_EQ(byte_of_entry(5, 39), std::byte{1});
  EXPECT_EQ(load_entry(block(), 5), entry);
  EXPECT_TRUE(check(5).ok());
}

TEST_F(BlockLayout, IgnoresTheOffsetOfAnUnknownOwner) {
  store_entry(block(), 5, {fingerprint(1), GuestOffset(disk_bytes * 8)});
  byte_of_entry(5, 39) = std::byte{1};
  EXPECT_EQ(load_entry(block(), 5).first_owner, std::nullopt);
  EXPECT_TRUE(check(5).ok());
}

TEST_F(BlockLayout, TreatsAllZeroAsNoHashKnown) {
  EXPECT_TRUE(load_entry(block(), 0).empty());
  EXPECT_TRUE(check(0).ok());
  store_entry(block(), 0, {fingerprint(1), GuestOffset(4096)});
  clear_entry(block(), 0);
  EXPECT_EQ(bytes_, std::vector<std::byte>(hash_block_bytes));
}

TEST_F(BlockLayout, StoresAnEmptyEntryAsZerosWhateverItsOwner) {
  store_entry(block(), 0, {fingerprint(1), GuestOffset(4096)});
  store_entry(block(), 0, {{}, GuestOffset(4096)});
  EXPECT_EQ(bytes_, std::vector<std::byte>(hash_block_bytes));
}

TEST_F(BlockLayout, ReportsAnOwnerWithoutAHash) {
  byte_of_entry(7, 38) = std::byte{0x10};
  EXPECT_TRUE(load_entry(block(), 7).empty());
  expect_corrupt(7, "dedup table entry of host cluster 7: an owner but no hash");
}

TEST_F(BlockLayout, ReportsAnOwnerThatIsNotClusterAligned) {
  store_entry(block(), 2, {fingerprint(1), GuestOffset(512)});
  expect_corrupt(2, "dedup table entry of host cluster 2: first owner 512 is not cluster aligned");
}

TEST_F(BlockLayout, ReportsAnOwnerBeyondTheDiskAndNamesTheClusterOfItsBlock) {
  store_entry(block(), 2, {fingerprint(1), GuestOffset(disk_bytes)});
  const auto result = check_entry(block(), 3, 2, four_kib, disk_bytes);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().message(), "dedup table entry of host cluster 4916: first owner "
                                      "1073741824 is beyond the end of the disk");
}

TEST_F(BlockLayout, ReportsBytesAfterTheLastEntry) {
  for (std::size_t at = entries_per_block * entry_bytes; at < hash_block_bytes; ++at) {
    bytes_[at] = std::byte{1};
    const auto result = check_block_end(block());
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().kind(), block::ErrorKind::corrupt);
    bytes_[at] = std::byte{0};
  }
}

} // namespace
} // namespace qcow2_dedup
