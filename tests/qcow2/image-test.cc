// Plain qcow2 through the driver: what a file keeps, the order in which it becomes durable, backing
// files, and damage that forbids writing.
#include "tests/support/qcow2-disk.h"

#include "block/endian.h"

namespace qcow2 {
namespace {

using block::DiskShape;
using block::MemoryChange;
using block::MemoryOperation;
using block::Options;
using block::Qcow2Disk;

DiskShape plain(std::uint64_t clusters = 64, unsigned cluster_bits = 12) {
  DiskShape shape;
  shape.dedup = false;
  shape.guest_clusters = clusters;
  shape.cluster_bits = cluster_bits;
  return shape;
}

TEST(PlainImage, AnOpenAndCloseChangesNoByte) {
  Qcow2Disk disk(plain());
  disk.write(3, disk.pattern(1));
  ASSERT_TRUE(succeeded(disk.close()));
  std::vector<std::byte> before = disk.file->content();
  disk.reopen();
  ASSERT_TRUE(succeeded(disk.close()));
  EXPECT_TRUE(disk.file->content() == before);
}

TEST(PlainImage, UnknownExtensionsAndFieldsAreKeptByteForByte) {
  Qcow2Disk disk(plain());
  ASSERT_TRUE(succeeded(disk.close()));
  Header header = disk.header();
  header.additional_fields = std::vector<std::byte>(8, std::byte{0x5A});
  header.extensions.insert(header.extensions.begin(),
                           {0x12345678, std::vector<std::byte>(13, std::byte{0xA5})});
  header.compatible_features |= bit(40);
  header.autoclear_features |= bit(41);
  std::vector<std::byte> first = header.encode().value();
  std::vector<std::byte> content = disk.file->content();
  std::copy(first.begin(), first.end(), content.begin());
  disk.file->set_content(content);
  disk.open();
  disk.write(0, disk.pattern(1));
  ASSERT_TRUE(succeeded(disk.node().co_truncate(100'000 * disk.cluster_bytes())));
  ASSERT_TRUE(succeeded(disk.close()));
  Header after = disk.header();
  EXPECT_EQ(after.compatible_features, header.compatible_features);
  EXPECT_EQ(after.autoclear_features, 0u); // unknown ones are cleared by who writes
  EXPECT_EQ(after.additional_fields, header.additional_fields);
  ASSERT_EQ(after.extensions.size(), header.extensions.size());
  for (std::size_t i = 0; i < header.extensions.size(); ++i) {
    EXPECT_EQ(after.extensions[i].type, header.extensions[i].type);
    EXPECT_EQ(after.extensions[i].data, header.extensions[i].data);
  }
  disk.expect_clean(0);
}

TEST(PlainImage, RefcountsAndDataAreDurableBeforeTheEntriesThatNeedThem) {
  Qcow2Disk disk(plain());
  disk.write(0, disk.pattern(1));
  disk.flush();
  disk.write(1, disk.pattern(2));
  std::uint64_t host = *disk.host_of(1);
  std::uint64_t entry = disk.l2_entry_place(1);
  bool seen = false;
  disk.file->set_hook([&](MemoryOperation operation, std::uint64_t offset, std::uint64_t bytes) {
    if (operation != MemoryOperation::write || offset > entry || entry >= offset + bytes) return;
    seen = true;
    EXPECT_TRUE(disk.file->unflushed().empty()); // everything else is in the file by now
    EXPECT_EQ(disk.stored_refcount(host), 1u);
  });
  disk.flush();
  EXPECT_TRUE(seen);
  disk.file->set_hook({});
  disk.cut_power();
  disk.open();
  EXPECT_TRUE(disk.holds(0, disk.pattern(1) + disk.pattern(2)));
}

TEST(PlainImage, AFreedClusterIsReusedOnlyAfterAFlush) {
  Qcow2Disk disk(plain());
  disk.write(0, disk.pattern(1));
  std::uint64_t host = *disk.host_of(0);
  disk.flush();
  disk.discard(0);
  disk.write(1, disk.pattern(2));
  EXPECT_NE(disk.host_of(1), host);
  disk.flush();
  disk.write(2, disk.pattern(3));
  EXPECT_EQ(disk.host_of(2), host); // the lowest free place
  ASSERT_TRUE(succeeded(disk.close()));
  disk.expect_clean(0);
}

TEST(PlainImage, TheDirtyBitStandsWhileAnImageWithLazyRefcountsChanges) {
  DiskShape shape = plain();
  shape.create = {{"lazy_refcounts", "on"}};
  Qcow2Disk disk(shape);
  EXPECT_FALSE(disk.header().dirty());
  disk.write(0, disk.pattern(1));
  EXPECT_TRUE(disk.header().dirty());
  disk.flush();
  disk.cut_power();
  disk.open();
  EXPECT_TRUE(disk.holds(0, disk.pattern(1)));
  disk.write(1, disk.pattern(2));
  ASSERT_TRUE(succeeded(disk.close()));
  EXPECT_FALSE(disk.header().dirty());
  disk.expect_clean(0);
}

TEST(PlainImage, OverlappingMetadataIsReadAndNotWritten) {
  Qcow2Disk disk(plain(2000));
  disk.write(0, disk.pattern(1));
  disk.write(600, disk.pattern(2));
  ASSERT_TRUE(succeeded(disk.close()));
  std::uint64_t l1 = disk.header().l1_offset.value();
  disk.set_file64(l1 + 8, disk.file64(l1)); // two L1 entries, one L2 table
  EXPECT_EQ(kind_of(disk.try_open()), block::ErrorKind::corrupt);
  disk.open({{"read-only", "on"}});
  EXPECT_TRUE(disk.holds(0, disk.pattern(1)));
}

class Chain : public testing::Test {
protected:
  // The base is shorter, the middle one longer than the top.
  Chain() : base(plain(8)), middle(plain(32)), top(plain(16)) {
    base.write(0, base.pattern(1) + base.pattern(2) + base.pattern(3));
    middle.write(1, middle.pattern(11));
    middle.write(20, middle.pattern(20));
    EXPECT_TRUE(succeeded(base.close()));
    EXPECT_TRUE(succeeded(middle.close()));
    EXPECT_TRUE(succeeded(top.close()));
    open();
  }
  void open() {
    top.open({{"backing.driver", "qcow2"},
              {"backing.file.driver", "memory"},
              {"backing.file.filename", middle.file->name()},
              {"backing.backing.driver", "qcow2"},
              {"backing.backing.file.driver", "memory"},
              {"backing.backing.file.filename", base.file->name()}});
  }
  Qcow2Disk base, middle, top;
};

TEST_F(Chain, IsReadThroughAndCopiedOnWrite) {
  EXPECT_TRUE(top.holds(0, top.pattern(1) + top.pattern(11) + top.pattern(3) + top.zeros()));
  EXPECT_TRUE(top.holds(10, top.zeros()));
  top.write_at(2 * top.cluster_bytes() + 5, "here");
  std::string joined = top.pattern(3).replace(5, 4, "here");
  EXPECT_TRUE(top.holds(2, joined));
  top.write(0, top.zeros());
  top.discard(1);
  EXPECT_TRUE(top.holds(0, top.zeros() + top.zeros() + joined));
  ASSERT_TRUE(succeeded(top.close()));
  top.expect_clean(0);
  open();
  EXPECT_TRUE(top.holds(0, top.zeros() + top.zeros() + joined));
}

TEST_F(Chain, ACorruptBackingFileDoesNotMakeTheOverlayCorrupt) {
  ASSERT_TRUE(succeeded(top.close()));
  middle.set_file64(middle.l2_entry_place(1), (std::uint64_t{1} << 40) | copied_flag);
  open();
  EXPECT_EQ(top.read(1).substr(0, 11), "read failed");
  top.write(2, top.pattern(7));
  EXPECT_TRUE(top.holds(2, top.pattern(7)));
  EXPECT_FALSE(top.header().corrupt());
  EXPECT_FALSE(middle.header().corrupt()); // nobody may write to it here
}

TEST_F(Chain, AGrownDiskReadsZerosWhereTheBackingFileGoesOn) {
  ASSERT_TRUE(succeeded(top.node().co_truncate(40 * top.cluster_bytes())));
  EXPECT_TRUE(top.holds(0, top.pattern(1)));
  EXPECT_TRUE(top.holds(16, block::zeros(24 * top.cluster_bytes())));
}

} // namespace
} // namespace qcow2
