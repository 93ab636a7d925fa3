// Guest cluster to L2 entry: lookups, changes, and entries that lie.
#include "tests/qcow2/image-parts.h"

namespace qcow2 {
namespace {

using block::MemoryOperation;
using Kind = MappedRange::Kind;

class MappingTest : public testing::Test {
protected:
  static constexpr std::uint64_t per_l2 = 512; // entries in a table of 4 KiB

  Mapping& mapping() { return image.mapping; }
  L2Entry entry(std::uint64_t guest) {
    Result<L2Entry> found = mapping().entry(GuestCluster(guest));
    EXPECT_TRUE(succeeded(found));
    return found ? *found : L2Entry(~std::uint64_t{0});
  }
  void set(std::uint64_t guest, L2Entry value) {
    EXPECT_TRUE(succeeded(mapping().set_entry(GuestCluster(guest), value)));
  }
  MappedRange range(std::uint64_t guest_offset, std::uint64_t bytes) {
    Result<MappedRange> found = mapping().range(GuestOffset(guest_offset), bytes);
    EXPECT_TRUE(succeeded(found));
    return found ? *found : MappedRange{};
  }
  // Returns the length in clusters of the range that begins at a guest cluster.
  std::uint64_t run(std::uint64_t guest, std::uint64_t at_most) {
    return range(guest * image.cluster_bytes(), at_most * image.cluster_bytes()).bytes /
           image.cluster_bytes();
  }
  MappedRange::Kind kind(std::uint64_t guest) {
    return range(guest * image.cluster_bytes(), 1).kind;
  }
  // Host clusters within the file: it is made long enough.
  HostOffset host(std::uint64_t cluster) {
    std::uint64_t end = (cluster + 1) * image.cluster_bytes();
    if (image.host.file.end().value() < end) {
      const std::vector<std::byte> last(1);
      EXPECT_TRUE(succeeded(image.host.file.write(HostOffset(end - 1), std::span(last))));
    }
    return HostOffset(cluster * image.cluster_bytes());
  }
  std::uint64_t l1_entry(std::size_t index) const {
    return image.file64(image.header.l1_offset.value() + index * table_entry_bytes);
  }
  void write_back() {
    std::vector<TableWrite> l2 = image.l2_tables.begin_write_back();
    std::vector<TableWrite> l1 = mapping().l1().begin_write_back();
    EXPECT_TRUE(succeeded(write_tables(image.host.file, block::DebugEvent::l2_update, l2)));
    EXPECT_TRUE(succeeded(write_tables(image.host.file, block::DebugEvent::l1_update, l1)));
    image.l2_tables.end_write_back(l2, true);
    mapping().l1().end_write_back(l1, true);
  }

  ImageParts image;
};

TEST_F(MappingTest, WhereNoTableIsNothingIsAllocatedAndNothingIsRead) {
  EXPECT_TRUE(entry(0).unallocated());
  EXPECT_TRUE(entry(4 * per_l2 - 1).unallocated());
  EXPECT_EQ(run(5, 1000), per_l2 - 5); // not beyond the place of one L2 table
  EXPECT_EQ(run(5, 7), 7u);
  EXPECT_EQ(image.l2_tables.misses(), 0u);
}

TEST_F(MappingTest, AnEntryIsFoundWhereItWasSetAndNowhereElse) {
  set(per_l2 + 3, L2Entry::data(host(50), true));
  set(per_l2 + 5, L2Entry::zeros());
  EXPECT_EQ(entry(per_l2 + 3).host_offset(), host(50));
  EXPECT_TRUE(entry(per_l2 + 3).copied());
  EXPECT_TRUE(entry(per_l2 + 5).reads_as_zeros());
  for (std::uint64_t guest : {std::uint64_t{3}, per_l2 + 2, per_l2 + 4, 2 * per_l2 + 3})
    EXPECT_TRUE(entry(guest).unallocated());
  EXPECT_EQ(mapping().l2_tables().size(), 1u);
}

TEST_F(MappingTest, ANewTableStandsInTheFileAsZerosBeforeTheL1EntryNamesIt) {
  image.host.memory->set_content(std::vector<std::byte>(20 * 4096, std::byte{0xEE}));
  set(0, L2Entry::data(host(15), true));
  ASSERT_EQ(mapping().l2_tables().size(), 1u);
  std::uint64_t table = mapping().l2_tables()[0].value();
  for (std::uint64_t at = 0; at < image.cluster_bytes(); at += 8)
    EXPECT_EQ(image.file64(table + at), 0u);
  EXPECT_EQ(image.stored(table / image.cluster_bytes()), 1u);
  EXPECT_TRUE(image.allocator.metadata().contains(HostCluster(table / image.cluster_bytes())));
  EXPECT_TRUE(mapping().l1().has_changes());
  write_back();
  EXPECT_EQ(l1_entry(0), table | copied_flag);
  EXPECT_EQ(image.file64(table), host(15).value() | copied_flag);
  EXPECT_FALSE(mapping().l1().has_changes());
}

TEST_F(MappingTest, ATableThatCannotBeStoredLeavesNothingBehind) {
  image.host.memory->fail(MemoryOperation::write, 1, ENOSPC);
  EXPECT_EQ(kind_of(mapping().set_entry(GuestCluster(0), L2Entry::zeros())),
            block::ErrorKind::no_space);
  EXPECT_TRUE(mapping().l2_tables().empty());
  EXPECT_FALSE(mapping().l1().has_changes());
  EXPECT_EQ(image.stored(ImageParts::first_free), 0u);
  set(0, L2Entry::zeros());
  EXPECT_EQ(mapping().l2_tables()[0].value(), ImageParts::first_free * image.cluster_bytes());
}

TEST_F(MappingTest, AfterPrepareNoEntryNeedsSpace) {
  ASSERT_TRUE(succeeded(mapping().prepare(GuestCluster(per_l2 - 1), per_l2 + 2)));
  EXPECT_EQ(mapping().l2_tables().size(), 3u);
  image.host.memory->set_capacity(0);
  for (std::uint64_t guest : {per_l2 - 1, per_l2, 2 * per_l2})
    set(guest, L2Entry::zeros());
}

TEST_F(MappingTest, ChangesOfL1ThatWereNotWrittenAreWrittenLater) {
  set(0, L2Entry::zeros());
  std::vector<TableWrite> writes = mapping().l1().begin_write_back();
  EXPECT_FALSE(mapping().l1().has_changes());
  set(2 * per_l2, L2Entry::zeros()); // meanwhile
  mapping().l1().end_write_back(writes, false);
  write_back();
  EXPECT_NE(l1_entry(0), 0u);
  EXPECT_EQ(l1_entry(1), 0u);
  EXPECT_NE(l1_entry(2), 0u);
}

TEST_F(MappingTest, ARunOfDataEndsWhereTheHostClustersDoNotFollow) {
  for (std::uint64_t guest = 0; guest < 6; ++guest)
    set(guest, L2Entry::data(host(20 + guest), true));
  set(4, L2Entry::data(host(30), true));
  EXPECT_EQ(run(0, 100), 4u);
  EXPECT_EQ(run(0, 3), 3u);
  EXPECT_EQ(run(4, 100), 1u);
  EXPECT_EQ(run(5, 100), 1u);
  EXPECT_EQ(run(6, 10), 10u);
}

TEST_F(MappingTest, ARangeBeginsAndEndsAtAnyByte) {
  for (std::uint64_t guest : {1, 2, 3})
    set(guest, L2Entry::data(host(20 + guest), true));
  MappedRange middle = range(4096 + 100, 4096); // in clusters 1 and 2
  EXPECT_EQ(middle.kind, Kind::data);
  EXPECT_EQ(middle.host, host(21) + 100);
  EXPECT_EQ(middle.bytes, 4096u);
  EXPECT_EQ(range(4 * 4096 - 1, 1 << 20).bytes, 1u) << "cluster 4 has no data";
  EXPECT_EQ(range(4 * 4096 - 1, 1 << 20).host, host(23) + 4095);
  EXPECT_EQ(range(10, 1 << 20).bytes, 4086u);
  EXPECT_FALSE(range(10, 1 << 20).host);
}

TEST_F(MappingTest, OnlyARangeOfTheSameKindThatFollowsInTheFileContinuesAnother) {
  MappedRange data{Kind::data, HostOffset(8192), 4096}, zeros{Kind::zeros, std::nullopt, 4096};
  EXPECT_TRUE(data.continued_by({Kind::data, HostOffset(12288), 1}));
  EXPECT_FALSE(data.continued_by({Kind::data, HostOffset(16384), 1}));
  EXPECT_FALSE(data.continued_by({Kind::zeros, HostOffset(12288), 1}));
  EXPECT_FALSE(data.continued_by(zeros));
  EXPECT_TRUE(zeros.continued_by(zeros));
  EXPECT_FALSE(zeros.continued_by({Kind::zeros, HostOffset(4096), 1})); // keeps its clusters
  EXPECT_FALSE(zeros.continued_by(MappedRange{}));
}

TEST_F(MappingTest, COPIEDDoesNotEndARunOfData) {
  set(0, L2Entry::data(host(20), true));
  set(1, L2Entry::data(host(21), false));
  EXPECT_EQ(run(0, 100), 2u);
}

TEST_F(MappingTest, ARunOfZerosEndsWhereNothingIsAllocatedAndTheOtherWayRound) {
  for (std::uint64_t guest : {3, 4, 5})
    set(guest, L2Entry::zeros());
  EXPECT_EQ(run(0, 100), 3u);
  EXPECT_EQ(kind(0), Kind::unallocated);
  EXPECT_EQ(run(3, 100), 3u);
  EXPECT_EQ(kind(3), Kind::zeros);
}

TEST_F(MappingTest, ARunOfZerosThatKeepTheirPlaceEndsWithTheirNeighbourhood) {
  auto kept = [](HostOffset place) { return L2Entry(place.value() | zero_flag); };
  set(0, L2Entry::zeros());
  set(1, kept(host(20)));
  set(2, kept(host(21)));
  set(3, kept(host(30)));
  set(4, L2Entry::data(host(31), true));
  EXPECT_EQ(run(0, 100), 1u);
  EXPECT_EQ(run(1, 100), 2u);
  EXPECT_EQ(run(3, 100), 1u) << "what follows is data";
}

TEST_F(MappingTest, ARunEndsBeforeAnEntryThatLies) {
  for (std::uint64_t guest : {0, 1, 2})
    set(guest, L2Entry::zeros());
  set(2, L2Entry(zero_flag | bit(3)));
  EXPECT_EQ(run(0, 100), 2u);
}

TEST_F(MappingTest, EntriesThatNameNoClusterOfTheFileAreCorrupt) {
  set(0, L2Entry::zeros());
  const std::uint64_t lies[] = {
      image.host.file.end().value() + image.cluster_bytes(), // beyond the file
      offset_mask,                                           // far beyond
      image.cluster_bytes() + 512,                           // not at a cluster's start
      image.cluster_bytes() | bit(1),                        // reserved bits
      image.cluster_bytes() | bit(61),
  };
  for (std::uint64_t raw : lies) {
    set(0, L2Entry(raw));
    EXPECT_EQ(kind_of(mapping().entry(GuestCluster(0))), block::ErrorKind::corrupt) << raw;
    EXPECT_EQ(kind_of(mapping().range(GuestOffset(0), 5)), block::ErrorKind::corrupt) << raw;
  }
  set(0, L2Entry(compressed_flag | 0x1000));
  EXPECT_EQ(kind_of(mapping().entry(GuestCluster(0))), block::ErrorKind::unsupported);
}

TEST_F(MappingTest, AnL1EntryThatNamesNoClusterOfTheFileIsAnErrorWhereItIsNeeded) {
  set(0, L2Entry::data(host(20), true));
  write_back();
  for (std::uint64_t raw :
       {std::uint64_t{1} << 40, std::uint64_t{0x1200}, 0x1000 | bit(0), 0x1000 | bit(62)}) {
    std::vector<std::byte> content = image.host.memory->content();
    block::store_big_endian(&content[image.header.l1_offset.value() + 8], raw);
    image.host.memory->set_content(content);
    Mapping other(image.host.file, image.l2_tables, image.allocator, image.header.cluster_size(),
                  1);
    ASSERT_TRUE(succeeded(other.load(image.header.l1_offset, 4, image.header.guest_size)));
    EXPECT_EQ(other.entry(GuestCluster(0))->host_offset(), host(20));
    EXPECT_EQ(message_of(other.check_l1()),
              "L1 entry 1 does not name an L2 table within the image file");
    EXPECT_EQ(kind_of(other.entry(GuestCluster(per_l2))), block::ErrorKind::corrupt);
  }
}

TEST_F(MappingTest, ClearCopiedTouchesOnlyTheEntryThatNamesTheExpectedCluster) {
  set(3, L2Entry::data(host(20), true));
  write_back();
  EXPECT_FALSE(*mapping().clear_copied(GuestCluster(3), HostCluster(21)));
  EXPECT_FALSE(*mapping().clear_copied(GuestCluster(4), HostCluster(20)));
  EXPECT_FALSE(*mapping().clear_copied(GuestCluster(per_l2 + 3), HostCluster(20)));
  EXPECT_FALSE(*mapping().clear_copied(GuestCluster(1 << 30), HostCluster(20))); // no such cluster
  EXPECT_TRUE(entry(3).copied());
  EXPECT_FALSE(image.l2_tables.has_changes());
  EXPECT_TRUE(*mapping().clear_copied(GuestCluster(3), HostCluster(20)));
  EXPECT_FALSE(entry(3).copied());
  EXPECT_EQ(entry(3).host_offset(), host(20));
  write_back();
  EXPECT_TRUE(*mapping().clear_copied(GuestCluster(3), HostCluster(20))); // it names it still
  EXPECT_FALSE(image.l2_tables.has_changes());                            // but nothing changes
}

TEST_F(MappingTest, ASharedL2TableIsNotChanged) {
  set(0, L2Entry::zeros());
  write_back();
  HostOffset table = mapping().l2_tables()[0];
  ASSERT_TRUE(
      succeeded(image.allocator.add_reference(image.header.cluster_size().containing(table))));
  std::vector<std::byte> content = image.host.memory->content();
  block::store_big_endian(&content[image.header.l1_offset.value()], table.value());
  image.host.memory->set_content(content);
  Mapping other(image.host.file, image.l2_tables, image.allocator, image.header.cluster_size(), 1);
  ASSERT_TRUE(succeeded(other.load(image.header.l1_offset, 4, image.header.guest_size)));
  EXPECT_TRUE(other.entry(GuestCluster(0))->reads_as_zeros());
  EXPECT_EQ(kind_of(other.set_entry(GuestCluster(0), L2Entry())), block::ErrorKind::unsupported);
}

TEST_F(MappingTest, ALargerL1TableKeepsItsEntries) {
  set(3 * per_l2, L2Entry::zeros());
  EXPECT_EQ(l1_entries_for(4 * per_l2 * image.cluster_bytes(), image.header.cluster_size()), 4u);
  EXPECT_EQ(l1_entries_for(4 * per_l2 * image.cluster_bytes() + 1, image.header.cluster_size()),
            5u);
  std::vector<std::byte> bytes = mapping().l1().encode(64);
  ASSERT_EQ(bytes.size(), 64u);
  EXPECT_EQ(block::load_big_endian<std::uint64_t>(&bytes[24]),
            mapping().l2_tables()[0].value() | copied_flag);
  mapping().l1().install(8, host(40));
  mapping().set_guest_size(8 * per_l2 * image.cluster_bytes());
  EXPECT_TRUE(entry(3 * per_l2).reads_as_zeros());
  EXPECT_TRUE(entry(7 * per_l2).unallocated());
  set(7 * per_l2, L2Entry::zeros());
  EXPECT_TRUE(entry(7 * per_l2).reads_as_zeros());
  EXPECT_EQ(mapping().l2_tables().size(), 2u);
}

} // namespace
} // namespace qcow2
