// Tables of host pointers: what a write-back copies out, what a failed one leaves to be done, and
// tables that move.
#include "block/qcow2/pointer-table.h"
#include "tests/qcow2/memory-host.h"

namespace qcow2 {
namespace {

using block::MemoryOperation;

class PointerTableTest : public testing::Test {
protected:
  static constexpr std::uint64_t first_place = 4096, second_place = 16384;

  PointerTableTest() { EXPECT_TRUE(succeeded(table.load(host.file, HostOffset(first_place), 8))); }
  std::uint64_t stored(std::uint64_t place, std::size_t index) const {
    return block::load_big_endian<std::uint64_t>(
        host.memory->read(place + index * table_entry_bytes, table_entry_bytes).data());
  }
  // Everything changed goes to the file.
  void write_back() {
    std::vector<TableWrite> writes = table.begin_write_back();
    EXPECT_TRUE(succeeded(write_tables(host.file, block::DebugEvent::l1_update, writes)));
    table.end_write_back(writes, true);
  }
  // Returns (first entry, entries) of the next write-back's piece. Nothing is written.
  std::pair<std::size_t, std::size_t> changed() {
    std::vector<TableWrite> writes = table.begin_write_back();
    table.end_write_back(writes, false);
    if (writes.empty()) return {0, 0};
    EXPECT_EQ(writes.size(), 1u);
    EXPECT_EQ(writes[0].table, table.place());
    return {writes[0].first_byte / table_entry_bytes, writes[0].bytes.size() / table_entry_bytes};
  }
  using Changed = std::pair<std::size_t, std::size_t>;

  MemoryHost host{"pointers", std::vector<std::byte>(32768)};
  PointerTable table;
};

TEST_F(PointerTableTest, ReadsBigEndianEntriesAsTheyAre) {
  std::vector<std::byte> content(32768);
  block::store_big_endian<std::uint64_t>(&content[first_place + 8], 0x2000 | copied_flag);
  host.memory->set_content(content);
  ASSERT_TRUE(succeeded(table.load(host.file, HostOffset(first_place), 2)));
  EXPECT_EQ(table.size(), 2u);
  EXPECT_EQ(table.bytes(), 16u);
  EXPECT_EQ(table.place(), HostOffset(first_place));
  EXPECT_EQ(table[0], 0u);
  EXPECT_EQ(table[1], 0x2000 | copied_flag); // its user interprets flags
  EXPECT_FALSE(table.has_changes());
}

TEST_F(PointerTableTest, ATableThatCannotBeReadStaysAsItWas) {
  host.memory->fail(MemoryOperation::read, 1, EIO);
  EXPECT_EQ(kind_of(table.load(host.file, HostOffset(second_place), 16)), block::ErrorKind::io);
  EXPECT_EQ(table.size(), 8u);
  EXPECT_EQ(table.place(), HostOffset(first_place));
}

TEST_F(PointerTableTest, ATableWithoutEntriesReadsNothing) {
  PointerTable none;
  ASSERT_TRUE(succeeded(none.load(host.file, HostOffset(1 << 30), 0))); // beyond the file
  EXPECT_TRUE(none.empty());
  EXPECT_TRUE(none.begin_write_back().empty());
}

TEST_F(PointerTableTest, AWriteBackStoresTheEntriesFromTheFirstToTheLastChangedOne) {
  EXPECT_TRUE(table.begin_write_back().empty());
  table.set(5, 0x5000);
  table.set(3, 0x3000);
  EXPECT_TRUE(table.has_changes());
  EXPECT_EQ(changed(), Changed(3, 3));
  write_back();
  EXPECT_FALSE(table.has_changes());
  EXPECT_EQ(stored(first_place, 3), 0x3000u);
  EXPECT_EQ(stored(first_place, 4), 0u);
  EXPECT_EQ(stored(first_place, 5), 0x5000u);
  table.set(0, 0x1000);
  EXPECT_EQ(changed(), Changed(0, 1)); // the former changes are stored
}

TEST_F(PointerTableTest, AWriteBackThatFailedIsRepeatedTogetherWithLaterChanges) {
  table.set(2, 0x2000);
  std::vector<TableWrite> writes = table.begin_write_back();
  EXPECT_FALSE(table.has_changes());
  table.set(6, 0x6000); // meanwhile
  table.end_write_back(writes, false);
  EXPECT_EQ(changed(), Changed(2, 5));
}

TEST_F(PointerTableTest, AChangeDuringAWriteBackIsWrittenByTheNextOne) {
  table.set(2, 0x2000);
  std::vector<TableWrite> writes = table.begin_write_back();
  table.set(2, 0x7000);
  table.end_write_back(writes, true);
  EXPECT_EQ(changed(), Changed(2, 1));
  write_back();
  EXPECT_EQ(stored(first_place, 2), 0x7000u);
}

TEST_F(PointerTableTest, ATableThatMovesIsEncodedWholeAndHasNoChangesThen) {
  table.set(7, 0x7000 | copied_flag);
  std::vector<std::byte> bytes = table.encode(512);
  ASSERT_EQ(bytes.size(), 512u);
  EXPECT_EQ(block::load_big_endian<std::uint64_t>(&bytes[56]), 0x7000 | copied_flag);
  for (std::size_t at = 64; at < bytes.size(); ++at)
    EXPECT_EQ(bytes[at], std::byte{0});
  table.install(16, HostOffset(second_place));
  EXPECT_EQ(table.size(), 16u);
  EXPECT_EQ(table.place(), HostOffset(second_place));
  EXPECT_EQ(table[7], 0x7000 | copied_flag);
  EXPECT_EQ(table[15], 0u);
  EXPECT_FALSE(table.has_changes());
  table.set(15, 0xf000);
  write_back();
  EXPECT_EQ(stored(second_place, 15), 0xf000u);
  EXPECT_EQ(stored(first_place, 7), 0u);
}

TEST_F(PointerTableTest, AFailedWriteToAPlaceThatTheTableHasLeftIsNotRepeated) {
  table.set(2, 0x2000);
  std::vector<TableWrite> writes = table.begin_write_back();
  table.install(16, HostOffset(second_place));
  table.end_write_back(writes, false);
  EXPECT_FALSE(table.has_changes());
}

TEST_F(PointerTableTest, ATableThatCouldNotMoveIsWrittenWholeAtItsFormerPlace) {
  table.set(2, 0x2000);
  table.install(16, HostOffset(second_place));
  table.set(12, 0xc000);
  table.reinstall(8, HostOffset(first_place));
  EXPECT_EQ(table.size(), 8u);
  EXPECT_EQ(changed(), Changed(0, 8));
  write_back();
  EXPECT_EQ(stored(first_place, 2), 0x2000u);
}

} // namespace
} // namespace qcow2
