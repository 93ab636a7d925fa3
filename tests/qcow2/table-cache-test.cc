// Cached tables: which ones leave memory, what a write-back copies out, and what a failed one
// leaves to be done.
#include "block/qcow2/table-cache.h"
#include "tests/qcow2/memory-host.h"

namespace qcow2 {
namespace {

using block::MemoryOperation;

constexpr std::size_t table_bytes = 8192;

class TableCacheTest : public testing::Test {
protected:
  static HostOffset place(std::uint64_t number) { return HostOffset(number * table_bytes); }
  Table& table(std::uint64_t number) {
    Result<Table*> got = cache.get(place(number));
    EXPECT_TRUE(succeeded(got));
    return **got;
  }
  // Everything changed goes to the file.
  std::vector<TableWrite> write_back() {
    std::vector<TableWrite> writes = cache.begin_write_back();
    EXPECT_TRUE(succeeded(write_tables(host.file, block::DebugEvent::l2_update, writes)));
    cache.end_write_back(writes, true);
    return writes;
  }
  std::uint64_t stored(std::uint64_t number, std::size_t index) const {
    return block::load_big_endian<std::uint64_t>(
        host.memory->read(number * table_bytes + index * 8, 8).data());
  }
  std::uint64_t writes() const { return host.memory->count(MemoryOperation::write); }

  MemoryHost host{"tables", std::vector<std::byte>(64 * table_bytes)};
  TableCache cache{host.file, table_bytes, 4 * table_bytes, block::DebugEvent::l2_load};
};

TEST_F(TableCacheTest, ReadsATableOnceAndCountsHitsAndMisses) {
  table(3);
  table(3);
  table(4);
  EXPECT_EQ(host.memory->count(MemoryOperation::read), 2u);
  EXPECT_EQ(cache.misses(), 2u);
  EXPECT_EQ(cache.hits(), 1u);
  EXPECT_EQ(cache.memory_bytes(), 2 * table_bytes);
}

TEST_F(TableCacheTest, ATableThatCannotBeReadIsNotCached) {
  host.memory->fail(MemoryOperation::read, 1, EIO);
  EXPECT_EQ(kind_of(cache.get(place(3))), block::ErrorKind::io);
  EXPECT_EQ(cache.find(place(3)), nullptr);
  EXPECT_EQ(cache.memory_bytes(), 0u);
  table(3);
}

TEST_F(TableCacheTest, TrimDropsTheLeastRecentlyUsedUnchangedTables) {
  for (std::uint64_t number = 0; number < 6; ++number)
    table(number);
  table(0);
  cache.trim();
  EXPECT_EQ(cache.memory_bytes(), 4 * table_bytes);
  EXPECT_EQ(cache.find(place(1)), nullptr);
  EXPECT_EQ(cache.find(place(2)), nullptr);
  for (std::uint64_t number : {0, 3, 4, 5})
    EXPECT_NE(cache.find(place(number)), nullptr);
}

TEST_F(TableCacheTest, NeverKeepsFewerThanFourTables) {
  TableCache tiny(host.file, table_bytes, 1, block::DebugEvent::l2_load);
  for (std::uint64_t number = 0; number < 6; ++number)
    ASSERT_TRUE(succeeded(tiny.get(place(number))));
  tiny.trim();
  EXPECT_EQ(tiny.memory_bytes(), 4 * table_bytes);
}

TEST_F(TableCacheTest, ChangedTablesStayInMemoryHoweverManyThereAre) {
  for (std::uint64_t number = 0; number < 40; ++number)
    table(number).set_entry(7, 1000 + number);
  cache.trim();
  EXPECT_EQ(cache.memory_bytes(), 40 * table_bytes);
  EXPECT_EQ(writes(), 0u); // reading a table never writes another one
  for (std::uint64_t number = 0; number < 40; ++number)
    EXPECT_EQ(table(number).entry(7), 1000 + number);
  write_back();
  cache.trim();
  EXPECT_EQ(cache.memory_bytes(), 4 * table_bytes);
  for (std::uint64_t number = 0; number < 40; ++number)
    EXPECT_EQ(stored(number, 7), 1000 + number);
}

TEST_F(TableCacheTest, TablesInAWriteBackStayUntilItEnds) {
  for (std::uint64_t number = 0; number < 10; ++number)
    table(number).set_entry(0, 1);
  std::vector<TableWrite> writes = cache.begin_write_back();
  cache.trim();
  EXPECT_EQ(cache.memory_bytes(), 10 * table_bytes);
  cache.end_write_back(writes, true);
  cache.trim();
  EXPECT_EQ(cache.memory_bytes(), 4 * table_bytes);
}

TEST_F(TableCacheTest, AsksForAWriteBackWhenMoreThanHalfOfItIsChanged) {
  table(0).set_entry(0, 1);
  table(0).set_entry(100, 1);
  table(1).set_entry(0, 1);
  EXPECT_TRUE(cache.has_changes());
  EXPECT_FALSE(cache.wants_write_back());
  table(2).set_entry(0, 1);
  EXPECT_TRUE(cache.wants_write_back());
  write_back();
  EXPECT_FALSE(cache.wants_write_back());
  EXPECT_FALSE(cache.has_changes());
}

TEST_F(TableCacheTest, AWriteBackCopiesWholePagesOfWhatChangedInOrderOfPlace) {
  table(9).set_entry(0, 11);
  table(2).set_entry(1023, 22); // the last of its table
  table(5).set_entry(511, 33);
  table(5).set_entry(512, 44); // on both sides of the page's end
  std::vector<TableWrite> writes = write_back();
  ASSERT_EQ(writes.size(), 3u);
  EXPECT_EQ(writes[0].table, place(2));
  EXPECT_EQ(writes[0].first_byte, 4096u);
  EXPECT_EQ(writes[0].bytes.size(), 4096u);
  EXPECT_EQ(writes[1].table, place(5));
  EXPECT_EQ(writes[1].first_byte, 0u);
  EXPECT_EQ(writes[1].bytes.size(), 8192u);
  EXPECT_EQ(writes[2].table, place(9));
  EXPECT_EQ(writes[2].bytes.size(), 4096u);
  EXPECT_EQ(stored(2, 1023), 22u);
  EXPECT_EQ(stored(5, 511), 33u);
  EXPECT_EQ(stored(5, 512), 44u);
  EXPECT_EQ(stored(9, 0), 11u);
}

TEST_F(TableCacheTest, NeighbouringTablesAreWrittenInOneRequest) {
  for (std::uint64_t number : {3, 4, 5, 8})
    for (std::size_t index : {0, 1023})
      table(number).set_entry(index, number);
  write_back();
  EXPECT_EQ(writes(), 2u);
  for (std::uint64_t number : {3, 4, 5, 8})
    EXPECT_EQ(stored(number, 1023), number);
}

TEST_F(TableCacheTest, AWriteBackTakesAChangeOnce) {
  table(3).set_entry(1, 1);
  EXPECT_EQ(write_back().size(), 1u);
  EXPECT_EQ(write_back().size(), 0u);
  table(3).set_entry(2, 2);
  EXPECT_EQ(write_back().size(), 1u);
}

TEST_F(TableCacheTest, AFailedWriteBackIsDoneAgainWithWhatChangedMeanwhile) {
  table(3).set_entry(0, 1);
  table(4).set_entry(0, 2);
  std::vector<TableWrite> writes = cache.begin_write_back();
  EXPECT_FALSE(cache.has_changes());
  table(3).set_entry(1023, 3); // another page, while the pieces are written
  cache.end_write_back(writes, false);
  EXPECT_TRUE(cache.has_changes());
  EXPECT_EQ(write_back().size(), 2u);
  EXPECT_EQ(stored(3, 0), 1u);
  EXPECT_EQ(stored(3, 1023), 3u);
  EXPECT_EQ(stored(4, 0), 2u);
}

TEST_F(TableCacheTest, AChangeDuringAWriteBackIsNotPartOfIt) {
  table(3).set_entry(0, 1);
  std::vector<TableWrite> writes = cache.begin_write_back();
  table(3).set_entry(0, 2);
  ASSERT_TRUE(succeeded(write_tables(host.file, block::DebugEvent::l2_update, writes)));
  cache.end_write_back(writes, true);
  EXPECT_EQ(stored(3, 0), 1u);
  EXPECT_TRUE(cache.has_changes());
  write_back();
  EXPECT_EQ(stored(3, 0), 2u);
}

TEST_F(TableCacheTest, ANewTableIsZeroAndEntirelyChanged) {
  host.memory->set_content(std::vector<std::byte>(64 * table_bytes, std::byte{0xEE}));
  Table* fresh = cache.create(place(6));
  EXPECT_EQ(fresh->entry(1023), 0u);
  EXPECT_EQ(host.memory->count(MemoryOperation::read), 0u);
  write_back();
  for (std::size_t index : {0, 511, 1023})
    EXPECT_EQ(stored(6, index), 0u);
}

TEST_F(TableCacheTest, AForgottenTableLosesItsChangesAndIsReadAgain) {
  table(3).set_entry(0, 1);
  cache.forget(place(3));
  cache.forget(place(44)); // not cached
  EXPECT_FALSE(cache.has_changes());
  EXPECT_EQ(cache.find(place(3)), nullptr);
  EXPECT_EQ(write_back().size(), 0u);
  EXPECT_EQ(table(3).entry(0), 0u);
}

TEST_F(TableCacheTest, ATableForgottenDuringAFailedWriteBackDoesNotComeBack) {
  table(3).set_entry(0, 1);
  table(4).set_entry(0, 2);
  std::vector<TableWrite> writes = cache.begin_write_back();
  cache.forget(place(3));
  cache.end_write_back(writes, false);
  std::vector<TableWrite> again = write_back();
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(again[0].table, place(4));
}

TEST_F(TableCacheTest, AWriteThatFailsIsReported) {
  table(3).set_entry(0, 1);
  std::vector<TableWrite> writes = cache.begin_write_back();
  host.memory->fail(MemoryOperation::write, 1, ENOSPC);
  EXPECT_EQ(kind_of(write_tables(host.file, block::DebugEvent::l2_update, writes)),
            block::ErrorKind::no_space);
  cache.end_write_back(writes, false);
  EXPECT_EQ(stored(3, 0), 0u);
}

} // namespace
} // namespace qcow2
