// The page cache shows what never reached the medium, or the medium lost what it had: nothing may
// be left unwritten, or shared, because it is "stored already".
#include "tests/support/qcow2-disk.h"

namespace block {
namespace {

class LostWrites : public testing::Test {
protected:
  std::uint64_t place(std::uint64_t guest) { return *disk.host_of(guest) * disk.cluster_bytes(); }
  std::string on_medium(std::uint64_t offset, std::size_t bytes) {
    std::string data(bytes, '?');
    EXPECT_TRUE(
        succeeded(disk.file->driver_read_medium(offset, IoVector(data.data(), data.size()))));
    return data;
  }
  std::string shown(std::uint64_t offset, std::size_t bytes) {
    const std::vector<std::byte> data = disk.file->read(offset, bytes);
    return {reinterpret_cast<const char*>(data.data()), data.size()};
  }
  bool medium_holds(std::uint64_t guest, const std::string& content) {
    return on_medium(place(guest), content.size()) == content;
  }
  // The guest cluster reads as before, and the medium holds zeros.
  void lose(std::uint64_t guest) {
    disk.file->lose_write(place(guest), std::vector<std::byte>(disk.cluster_bytes()));
  }
  // From the next open on the table is not trusted.
  void end_uncleanly() {
    disk.write(60, disk.pattern(60));
    disk.flush();
    disk.kill();
    disk.open();
  }

  Qcow2Disk disk;
};

TEST_F(LostWrites, MatchOfAnUntrustedTableIsSharedIfTheMediumHoldsIt) {
  end_uncleanly();
  disk.write(1, disk.pattern(1));
  disk.reopen();
  disk.write(2, disk.pattern(1));
  EXPECT_EQ(disk.refcount_of(2), 2u);
}

TEST_F(LostWrites, SameContentIsWrittenAgainIfTheMediumLostIt) {
  end_uncleanly();
  disk.write(1, disk.pattern(1));
  disk.reopen();
  lose(1);
  disk.write(1, disk.pattern(1));
  disk.flush();
  EXPECT_TRUE(medium_holds(1, disk.pattern(1)));
}

TEST_F(LostWrites, LostContentIsNotShared) {
  end_uncleanly();
  disk.write(1, disk.pattern(1));
  disk.reopen();
  lose(1);
  disk.write(2, disk.pattern(1));
  disk.flush();
  EXPECT_TRUE(medium_holds(2, disk.pattern(1)));
  EXPECT_EQ(disk.refcount_of(2), 1u);
}

TEST_F(LostWrites, WhereTheMediumCannotBeReadNothingIsShared) {
  end_uncleanly();
  disk.write(1, disk.pattern(1));
  disk.reopen();
  disk.file->hide_medium();
  disk.write(2, disk.pattern(1));
  EXPECT_EQ(disk.refcount_of(2), 1u);
  EXPECT_TRUE(disk.holds(2, disk.pattern(1)));
}

TEST_F(LostWrites, ScanGivesNoFingerprintToWhatTheMediumLost) {
  EXPECT_TRUE(succeeded(disk.node().pause_dedup()));
  disk.write(1, disk.pattern(1));
  disk.write(2, disk.pattern(2));
  lose(1);
  EXPECT_TRUE(succeeded(disk.node().resume_dedup()));
  disk.wait_for_scan();
  disk.write(11, disk.pattern(1));
  disk.write(12, disk.pattern(2));
  EXPECT_EQ(disk.refcount_of(11), 1u);
  EXPECT_EQ(disk.refcount_of(12), 2u);
}

// The program was told of a failed flush and ended; the next one finds its tables in the page
// cache.
TEST_F(LostWrites, LostTablesAreWrittenAgainWhenTheImageIsRepaired) {
  for (unsigned guest = 0; guest < 20; ++guest)
    disk.write(guest, disk.pattern(guest));
  disk.flush();
  const std::uint64_t entry = disk.l2_entry_place(7);
  const std::uint64_t header_sector = 512;
  disk.kill();
  disk.file->lose_write(entry, std::vector<std::byte>(8));
  disk.file->lose_write(0, std::vector<std::byte>(header_sector));
  disk.open();
  disk.write(7, disk.pattern(7));
  disk.flush();
  EXPECT_EQ(on_medium(entry, 8), shown(entry, 8));
  EXPECT_EQ(on_medium(0, header_sector), shown(0, header_sector));
  EXPECT_TRUE(medium_holds(7, disk.pattern(7)));
}

TEST_F(LostWrites, UnreadableContentIsWrittenAgain) {
  disk.write(1, disk.pattern(1));
  disk.reopen();
  disk.file->fail_reads_of(place(1) + 100);
  EXPECT_NE(disk.read(1), disk.pattern(1));
  disk.file->heal();
  const std::uint64_t host = *disk.host_of(1);
  WriteWatch watch(*disk.file);
  disk.write(1, disk.pattern(1));
  EXPECT_EQ(watch.writes_to(host, disk.cluster_bytes()), 1u);
  disk.write(2, disk.pattern(1));
  EXPECT_EQ(disk.refcount_of(2), 2u);
}

class RottenContent : public LostWrites {
protected:
  // A sector of the guest cluster changes while the image is closed.
  void rot(std::uint64_t guest, Options options) {
    const std::uint64_t offset = place(guest) + 100;
    EXPECT_TRUE(succeeded(disk.close()));
    std::vector<std::byte> content = disk.file->content();
    content[offset] ^= std::byte{1};
    disk.file->set_content(std::move(content));
    disk.open(std::move(options));
  }
};

TEST_F(RottenContent, IsWrittenAgainWithVerification) {
  disk.write(1, disk.pattern(1));
  rot(1, {{"dedup-verify", "on"}});
  EXPECT_NE(disk.read(1), disk.pattern(1));
  disk.write(1, disk.pattern(1));
  EXPECT_TRUE(disk.holds(1, disk.pattern(1)));
}

TEST_F(RottenContent, IsForgottenOnceAComparisonFailed) {
  disk.write(1, disk.pattern(1));
  rot(1, {{"dedup-verify", "on"}});
  disk.write(2, disk.pattern(1));
  const std::uint64_t compared = disk.counters().verify_reads;
  disk.write(3, disk.pattern(1));
  disk.write(4, disk.pattern(1));
  EXPECT_EQ(disk.refcount_of(4), 2u) << "the third one is stored, and its hash is known";
  EXPECT_EQ(disk.counters().verify_reads, compared + 1) << "only the fourth one is compared";
  for (std::uint64_t guest : {2, 3, 4})
    EXPECT_TRUE(disk.holds(guest, disk.pattern(1)));
}

class FirstSync : public testing::TestWithParam<bool> {
protected:
  static DiskShape shape() {
    DiskShape shape;
    shape.dedup = GetParam();
    return shape;
  }
  std::uint64_t flushes() const { return disk.file->count(MemoryOperation::flush); }

  Qcow2Disk disk{shape()};
};

TEST_P(FirstSync, FirstFlushOfASessionFlushesTheFileThoughNothingWasWritten) {
  disk.reopen();
  const std::uint64_t before = flushes();
  disk.flush();
  EXPECT_EQ(flushes(), before + 1);
  disk.flush();
  EXPECT_EQ(flushes(), before + 1);
}

// An entry that an earlier process dropped may still stand on the disk, and what it names is free.
TEST_P(FirstSync, FileIsFlushedBeforeTheFirstAllocation) {
  disk.reopen();
  std::uint64_t flushes_seen = 0, flushed_before_data = 0;
  disk.file->set_write_observer([&](std::uint64_t, std::span<const std::byte> data) {
    const std::string written(reinterpret_cast<const char*>(data.data()), data.size());
    if (written == disk.pattern(1)) flushed_before_data = flushes_seen;
  });
  disk.file->set_hook([&](MemoryOperation operation, std::uint64_t, std::uint64_t) {
    if (operation == MemoryOperation::flush) ++flushes_seen;
  });
  disk.write(1, disk.pattern(1));
  disk.file->set_hook({});
  disk.file->set_write_observer({});
  EXPECT_GE(flushed_before_data, 1u);
}

INSTANTIATE_TEST_SUITE_P(Dedup, FirstSync, testing::Bool());

} // namespace
} // namespace block
