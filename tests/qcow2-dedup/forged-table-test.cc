// Dedup tables that lie: by damage, by an unclean end, by a program that knows nothing of them.
// Nothing wrong may be shared.
#include "tests/qcow2-dedup/forged-table.h"

namespace qcow2_dedup {
namespace {

using block::GuestOffset;
using block::HostCluster;
using block::Qcow2Disk;

TEST_F(ForgedTable, VerifyDoesNotShareOtherBytesUnderTheSameHash) {
  disk.write(0, a);
  std::uint64_t host = *disk.host_of(0);
  close();
  forge(host, {fingerprint_of(b), GuestOffset(0)}); // as if a and b had the same hash
  open({{"dedup-verify", "on"}});
  ASSERT_TRUE(disk.counters().table_trusted);
  disk.write(1, b);
  EXPECT_TRUE(disk.holds(0, a + b));
  EXPECT_NE(disk.host_of(1), host);
  EXPECT_EQ(disk.counters().verify_mismatches, 1u);
  disk.write(0, b); // the same place, the same hash
  EXPECT_TRUE(disk.holds(0, b + b));
  close();
  disk.expect_clean();
}

TEST_F(ForgedTable, VerifySharesEqualBytes) {
  close();
  open({{"dedup-verify", "on"}});
  disk.write(0, a + b);
  disk.write(2, a + b + c + a);
  disk.write(0, a);
  EXPECT_TRUE(disk.holds(0, a + b + a + b + c + a));
  EXPECT_EQ(disk.refcount_of(0), 3u);
  EXPECT_GE(disk.counters().verify_reads, 4u);
  EXPECT_EQ(disk.counters().verify_mismatches, 0u);
  close();
  disk.expect_clean();
}

TEST_F(ForgedTable, EntriesOfFreeClustersAreNotBelieved) {
  disk.write(0, a);
  close();
  // Counted by a refcount block, in the file or beyond its end, but free.
  for (std::uint64_t host : {300, 1200})
    forge(host, {fingerprint_of(c), std::nullopt});
  open();
  disk.write(1, c);
  EXPECT_TRUE(disk.holds(0, a + c));
  close();
  disk.expect_consistent();
}

TEST(ForgedTableSmallClusters, EntriesOfClustersThatNoRefcountBlockCountsAreNotBelieved) {
  block::DiskShape shape;
  shape.cluster_bits = 9;
  shape.refcount_bits = 64; // a block counts 64 clusters, a table of one cluster 4096
  shape.guest_clusters = 2000;
  Qcow2Disk disk(shape);
  std::string content = disk.pattern(5);
  disk.write(0, disk.pattern(1));
  ASSERT_TRUE(succeeded(disk.close()));
  const Extension extension = disk.extension();
  // The first hash block is there; a refcount block for this cluster is not.
  std::uint64_t hash_block = disk.file64(extension.table_offset.value());
  std::vector<std::byte> image = disk.file->content();
  ASSERT_EQ(disk.stored_refcount(1500), 0u);
  Entry entry;
  const auto* data = reinterpret_cast<const std::byte*>(content.data());
  dedup::Hasher::create(dedup::HashAlgorithm::sha256)
      .value()
      .fingerprint({&data, 1}, content.size(), {&entry.fingerprint, 1});
  store_entry(HashBlock(&image.at(hash_block), hash_block_bytes), slot_of(HostCluster(1500)),
              entry);
  disk.file->set_content(std::move(image));
  disk.open();
  disk.wait_for_index();
  disk.write(1, content);
  EXPECT_TRUE(disk.holds(0, disk.pattern(1) + content));
}

// Clusters of 2 MiB hold 32 hash blocks each, in the order of the table.
class ForgedLargeClusters : public testing::Test {
protected:
  ForgedLargeClusters() {
    disk.write(0, a);
    EXPECT_TRUE(succeeded(disk.close()));
    table = disk.extension().table_offset.value();
  }
  static block::DiskShape large() {
    block::DiskShape shape;
    shape.cluster_bits = 21;
    shape.guest_clusters = 8;
    return shape;
  }
  std::uint64_t entry(std::size_t index) const { return disk.file64(table + index * 8); }
  void set_entry(std::size_t index, std::uint64_t value) {
    disk.set_file64(table + index * 8, value);
    disk.record_tables_digest();
  }
  // The table is given up, which costs no service.
  void expect_given_up() {
    disk.open();
    EXPECT_TRUE(disk.holds(0, a));
    disk.write(1, disk.pattern(2));
    EXPECT_TRUE(succeeded(disk.close()));
    EXPECT_EQ(disk.header().corrupt(), false);
    disk.open({{"read-only", "on"}});
    EXPECT_TRUE(disk.holds(0, a + disk.pattern(2)));
    EXPECT_TRUE(succeeded(disk.close()));
  }

  Qcow2Disk disk{large()};
  std::string a = disk.pattern(1);
  std::uint64_t table = 0;
};

TEST_F(ForgedLargeClusters, HashBlocksOutOfOrderWithinTheirClusterAreGivenUp) {
  ASSERT_EQ(entry(1), entry(0) + hash_block_bytes);
  std::uint64_t second = entry(1);
  set_entry(1, entry(2));
  set_entry(2, second);
  expect_given_up();
}

TEST_F(ForgedLargeClusters, OneHashBlockNamedTwiceIsGivenUp) {
  set_entry(1, entry(0));
  expect_given_up();
}

TEST_F(ForgedLargeClusters, AClusterOfHashBlocksNamedWithoutItsFirstIsGivenUp) {
  set_entry(0, 0);
  expect_given_up();
}

TEST_F(ForgedLargeClusters, AClusterThatBeginsWithinAnotherIsGivenUp) {
  for (std::size_t i = 0; i < 32; ++i)
    set_entry(i, entry(i) + hash_block_bytes);
  expect_given_up();
}

TEST_F(ForgedLargeClusters, OneClusterNamedForTwoGroupsOfHashBlocksIsGivenUp) {
  for (std::size_t i = 0; i < 32; ++i)
    set_entry(32 + i, entry(i));
  expect_given_up();
}

TEST_F(ForgedLargeClusters, SomeHashBlocksOfAClusterMayBeMissing) {
  set_entry(5, 0);
  disk.open();
  disk.wait_for_index();
  disk.write(1, a);
  EXPECT_EQ(disk.host_of(1), disk.host_of(0));
  EXPECT_TRUE(succeeded(disk.close()));
}

TEST_F(ForgedTable, AFirstOwnerBeyondTheDiskDoesNoHarm) {
  disk.write(0, a);
  std::uint64_t host = *disk.host_of(0);
  close();
  forge(host, {fingerprint_of(a), GuestOffset(std::uint64_t{1} << 62)});
  open();
  disk.write(1, a);
  EXPECT_TRUE(disk.holds(0, a + a));
}

TEST_F(ForgedTable, AfterAnUncleanEndOldEntriesAreComparedBeforeTheyAreShared) {
  disk.write(0, a);
  disk.write(1, b);
  disk.reopen(); // the table is in the file
  disk.wait_for_index();
  std::uint64_t host = *disk.host_of(0);
  disk.write(0, c); // in place: the file's entry is old now
  disk.flush();
  disk.kill();
  open();
  EXPECT_FALSE(disk.counters().table_trusted);
  EXPECT_TRUE(disk.holds(0, c + b));
  disk.write(2, a); // the old entry says: at host
  EXPECT_NE(disk.host_of(2), host);
  disk.write(3, b);
  EXPECT_EQ(disk.host_of(3), disk.host_of(1));
  EXPECT_GE(disk.counters().verify_reads, 2u);
  EXPECT_EQ(disk.counters().verify_mismatches, 1u);
  EXPECT_TRUE(disk.holds(0, c + b + a + b));
  close();
  disk.expect_clean();
}

TEST_F(ForgedTable, AfterAPowerCutFlushedDataIsThereAndTheImageIsRepaired) {
  disk.write(0, a + b + a);
  disk.flush();
  disk.write(0, c);
  disk.write(3, b + c);
  disk.cut_power();
  open();
  EXPECT_TRUE(disk.holds(1, b + a));
  std::string first = disk.read(0);
  EXPECT_TRUE(first == a || first == c);
  disk.write(5, a + b + c);
  EXPECT_TRUE(disk.holds(5, a + b + c));
  close();
  disk.expect_clean();
}

// A cluster that changed hands between two unclean ends: the file's entry names an owner that is
// none any more, and the new one overwrites in place.
TEST_F(ForgedTable, AStaleOwnerDoesNotHideTheOneWithCopied) {
  disk.write(0, a);
  std::uint64_t host = *disk.host_of(0);
  disk.reopen();
  disk.wait_for_index();
  disk.discard(0);
  disk.flush(); // frees the cluster
  disk.write(1, a);
  ASSERT_EQ(disk.host_of(1), host);
  disk.flush();
  disk.kill();
  open();
  disk.write(2, a);
  disk.write(1, b);
  EXPECT_TRUE(disk.holds(1, b + a));
}

TEST_F(ForgedTable, ATableThatCouldNotBeStoredIsNotTrustedAfterAClose) {
  disk.write(0, a);
  std::uint64_t host = *disk.host_of(0);
  close();
  open();
  (void)disk.read(0);
  disk.discard(0);
  disk.flush();
  disk.write(1, a);
  ASSERT_EQ(disk.host_of(1), host);
  disk.file->fail_always(block::MemoryOperation::read, EIO); // the hash block cannot be read
  (void)disk.close().ok();
  disk.file->heal();
  open();
  disk.write(2, a);
  disk.write(1, b);
  EXPECT_TRUE(disk.holds(1, b + a));
}

TEST_F(ForgedTable, AForeignWriterIsNoticed) {
  disk.write(0, a + b);
  close();
  std::uint64_t features = disk.file64(qcow2::header_features_field + 16);
  EXPECT_EQ(features, dedup_feature_mask);
  // Another program clears the bit and writes to a cluster in place.
  disk.set_file64(qcow2::header_features_field + 16, 0);
  std::vector<std::byte> content = disk.file->content();
  std::uint64_t place = disk.l2_entry(0) & qcow2::offset_mask;
  std::copy_n(reinterpret_cast<const std::byte*>(c.data()), c.size(),
              content.begin() + static_cast<std::ptrdiff_t>(place));
  disk.file->set_content(std::move(content));
  open();
  EXPECT_EQ(disk.counters().index_entries, 0u);
  disk.write(5, a);
  EXPECT_TRUE(disk.holds(0, c + b));
  EXPECT_TRUE(disk.holds(5, a));
  disk.write(6, a);
  EXPECT_EQ(disk.host_of(6), disk.host_of(5));
  close();
  EXPECT_EQ(disk.file64(qcow2::header_features_field + 16), dedup_feature_mask);
  disk.expect_clean();
}

TEST_F(ForgedTable, AForeignProgramMayHaveFreedTheTableAndReusedItsClusters) {
  disk.write(0, a);
  close();
  Extension before = extension();
  ASSERT_NE(before.table_offset.value(), 0u);
  disk.set_file64(qcow2::header_features_field + 16, 0);
  // What lies there now is something else.
  std::vector<std::byte> content = disk.file->content();
  std::fill_n(content.begin() + static_cast<std::ptrdiff_t>(before.table_offset.value()), bytes(),
              std::byte{0xEE});
  disk.file->set_content(std::move(content));
  open();
  disk.write(1, a + b);
  EXPECT_TRUE(disk.holds(0, a + a + b));
  close();
  disk.expect_clean();
}

// Stock QEMU zeroes a shared cluster without unmapping it: the zero entry is one of its owners
// still.
TEST_F(ForgedTable, AZeroEntryThatKeepsASharedClusterGetsCopiedWhenItIsTheLastOwner) {
  disk.write(0, a + a);
  close();
  std::uint64_t entry = disk.l2_entry(1);
  disk.set_file64(disk.l2_entry_place(1), entry | qcow2::zero_flag);
  open();
  disk.discard(0);
  close();
  EXPECT_EQ(disk.l2_entry(1), entry | qcow2::zero_flag | qcow2::copied_flag);
  disk.expect_clean();
}

TEST_F(ForgedTable, AZeroEntryThatKeepsAClusterMayShareThatVeryCluster) {
  disk.write(0, a + a + b);
  close();
  for (std::uint64_t guest : {1, 2})
    disk.set_file64(disk.l2_entry_place(guest), disk.l2_entry(guest) | qcow2::zero_flag);
  open();
  disk.wait_for_index();
  disk.write(1, a); // kept by two
  disk.write(2, b); // kept by this one alone
  EXPECT_EQ(disk.host_of(1), disk.host_of(0));
  EXPECT_EQ(disk.refcount_of(1), 2u);
  EXPECT_EQ(disk.refcount_of(2), 1u);
  EXPECT_TRUE(disk.holds(0, a + a + b));
  close();
  EXPECT_TRUE(disk.copied(2));
  disk.expect_clean();
}

TEST_F(ForgedTable, AZeroEntryThatKeepsAClusterDoesNotHideAsItsOwnerAfterACrash) {
  disk.write(0, a + a);
  close();
  disk.set_file64(disk.l2_entry_place(1), disk.l2_entry(1) | qcow2::zero_flag);
  open();
  disk.discard(0);
  disk.flush();
  disk.kill();
  open(); // repaired: guest cluster 1 carries COPIED now, and the table must not name another owner
  disk.write(2, a);
  ASSERT_TRUE(succeeded(disk.node().pause_dedup()));
  disk.write(1, b);
  EXPECT_TRUE(disk.holds(1, b + a));
}

TEST(ForgedMapping, AnEntryBeyondTheDiskGetsCopiedWhenItIsTheLastOwner) {
  block::DiskShape shape;
  shape.guest_clusters = 60; // the L2 table has entries for more
  Qcow2Disk disk(shape);
  disk.write(0, disk.pattern(1));
  disk.write(1, disk.pattern(1));
  ASSERT_TRUE(succeeded(disk.close()));
  std::uint64_t entry = disk.l2_entry(1);
  disk.set_file64(disk.l2_entry_place(1), 0);
  disk.set_file64(disk.l2_entry_place(100), entry);
  disk.open();
  disk.discard(0);
  ASSERT_TRUE(succeeded(disk.close()));
  EXPECT_EQ(disk.l2_entry(100), entry | qcow2::copied_flag);
  disk.expect_clean(); // with nothing in the dedup table that names an owner out there
}

TEST(ForgedMapping, WhatIsWrongBeyondTheDiskDoesNotKeepItFromClosing) {
  block::DiskShape shape;
  shape.guest_clusters = 60;
  Qcow2Disk disk(shape);
  disk.write(0, disk.pattern(1) + disk.pattern(1));
  ASSERT_TRUE(succeeded(disk.close()));
  disk.set_file64(disk.l2_entry_place(100), qcow2::bit(50)); // far outside the file
  disk.open();
  disk.discard(0);
  EXPECT_TRUE(succeeded(disk.close()));
  EXPECT_TRUE(disk.copied(1));
}

TEST_F(ForgedTable, AnUnknownAlgorithmOrStrategyIsReadAndNotWritten) {
  disk.write(0, a);
  close();
  std::vector<std::byte> good = disk.file->content();
  std::uint64_t data = 112 + 8; // the extension is the header's first
  for (std::uint64_t at : {data + 12, data + 13}) {
    std::vector<std::byte> content = good;
    content[at] = std::byte{0x70};
    disk.file->set_content(content);
    block::Result<void> refused = disk.try_open();
    EXPECT_EQ(kind_of(refused), block::ErrorKind::unsupported) << message_of(refused);
    EXPECT_EQ(disk.file->content(), content);
    disk.open({{"read-only", "on"}});
    EXPECT_TRUE(disk.holds(0, a));
    close();
    EXPECT_EQ(disk.file->content(), content);
  }
}

} // namespace
} // namespace qcow2_dedup
