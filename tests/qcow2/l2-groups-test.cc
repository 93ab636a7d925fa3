// L2 tables in groups: neighbours are made in one piece of the file, and read at once.
#include "tests/qcow2/image-parts.h"

namespace qcow2 {
namespace {

using block::MemoryOperation;

// The disk has four L2 tables.
class L2Groups : public testing::Test {
protected:
  static constexpr std::uint64_t per_l2 = 512; // entries in a table of 4 KiB

  explicit L2Groups(std::size_t at_once = 4) : image(12, 4, at_once) {}
  void set(Mapping& mapping, std::uint64_t guest) {
    EXPECT_TRUE(succeeded(mapping.set_entry(GuestCluster(guest), L2Entry::zeros())));
  }
  bool zeros_at(Mapping& mapping, std::uint64_t guest) {
    Result<L2Entry> found = mapping.entry(GuestCluster(guest));
    EXPECT_TRUE(succeeded(found));
    return found && found->reads_as_zeros();
  }
  std::uint64_t count(MemoryOperation operation) { return image.host.memory->count(operation); }
  void write_back() {
    std::vector<TableWrite> l2 = image.l2_tables.begin_write_back();
    std::vector<TableWrite> l1 = image.mapping.l1().begin_write_back();
    EXPECT_TRUE(succeeded(write_tables(image.host.file, block::DebugEvent::l2_update, l2)));
    EXPECT_TRUE(succeeded(write_tables(image.host.file, block::DebugEvent::l1_update, l1)));
    image.l2_tables.end_write_back(l2, true);
    image.mapping.l1().end_write_back(l1, true);
  }
  // The image as another opener finds it.
  struct Reopened {
    explicit Reopened(ImageParts& image)
        : tables(image.host.file, 4096, 1 << 20, block::DebugEvent::l2_load),
          mapping(image.host.file, tables, image.allocator, image.header.cluster_size(), 4) {
      EXPECT_TRUE(succeeded(
          mapping.load(image.header.l1_offset, image.header.l1_entries, image.header.guest_size)));
    }
    TableCache tables;
    Mapping mapping;
  };

  ImageParts image;
};

TEST_F(L2Groups, TablesOfAGroupAreMadeInOneWriteOfZeros) {
  image.host.memory->set_content(std::vector<std::byte>(20 * 4096, std::byte{0xEE}));
  const std::uint64_t before = count(MemoryOperation::write);
  set(image.mapping, 2 * per_l2 + 7);
  EXPECT_EQ(count(MemoryOperation::write), before + 1);
  const std::vector<HostOffset> tables = image.mapping.l2_tables();
  ASSERT_EQ(tables.size(), 4u);
  for (std::size_t i = 1; i < 4; ++i)
    EXPECT_EQ(tables[i], tables[0] + i * 4096);
  for (std::uint64_t at = 0; at < 4 * 4096; at += 8)
    ASSERT_EQ(image.file64(tables[0].value() + at), 0u);
  for (HostOffset table : tables)
    EXPECT_EQ(image.stored(table.value() / 4096), 1u);
  set(image.mapping, 0);
  EXPECT_EQ(count(MemoryOperation::write), before + 1);
  // Those that nothing was entered in are in the file as they are.
  EXPECT_EQ(image.l2_tables.begin_write_back().size(), 2u);
}

TEST_F(L2Groups, AreReadAtOnce) {
  set(image.mapping, 5);
  set(image.mapping, 3 * per_l2 + 5);
  write_back();
  Reopened again(image);
  const std::uint64_t before = count(MemoryOperation::read);
  for (std::uint64_t table = 0; table < 4; ++table)
    EXPECT_EQ(zeros_at(again.mapping, table * per_l2 + 5), table == 0 || table == 3);
  EXPECT_EQ(count(MemoryOperation::read), before + 1);
}

TEST_F(L2Groups, WhatHasChangedIsNotReadOverIt) {
  set(image.mapping, 5);
  write_back();
  Reopened again(image);
  EXPECT_TRUE(zeros_at(again.mapping, 5));
  again.tables.forget(again.mapping.l2_tables()[2]);
  set(again.mapping, 6);                                 // not in the file yet
  EXPECT_FALSE(zeros_at(again.mapping, 2 * per_l2 + 6)); // reads the group again
  EXPECT_TRUE(zeros_at(again.mapping, 6));
}

TEST_F(L2Groups, OneThatCannotBeReadDoesNotHideTheOthers) {
  set(image.mapping, 5);
  write_back();
  image.host.memory->fail_reads_of(image.mapping.l2_tables()[1].value());
  Reopened again(image);
  EXPECT_TRUE(zeros_at(again.mapping, 5));
  EXPECT_FALSE(again.mapping.entry(GuestCluster(per_l2)));
  EXPECT_FALSE(zeros_at(again.mapping, 2 * per_l2));
}

TEST_F(L2Groups, AFullDiskMayHaveRoomForOne) {
  image.host.memory->set_capacity((ImageParts::first_free + 2) * 4096);
  set(image.mapping, per_l2);
  ASSERT_EQ(image.mapping.l2_tables().size(), 1u);
  EXPECT_TRUE(zeros_at(image.mapping, per_l2));
  std::uint64_t counted = 0;
  for (std::uint64_t cluster = ImageParts::first_free; cluster < 20; ++cluster)
    counted += image.stored(cluster);
  EXPECT_EQ(counted, 1u) << "what could not be made is free";
  // The next group goes around it.
  image.host.memory->set_capacity(UINT64_MAX);
  const HostOffset present = image.mapping.l2_tables()[0];
  set(image.mapping, 3 * per_l2);
  const std::vector<HostOffset> tables = image.mapping.l2_tables();
  ASSERT_EQ(tables.size(), 3u);
  EXPECT_EQ(tables[0], present);
  EXPECT_EQ(tables[2], tables[1] + 4096);
  EXPECT_TRUE(zeros_at(image.mapping, per_l2));
}

} // namespace
} // namespace qcow2
