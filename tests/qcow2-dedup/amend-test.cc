// amend: deduplication comes and goes, whatever fails on the way, and the content stays.
#include "block/qcow2-dedup/table/extension.h"
#include "tests/support/qcow2-disk.h"

#include <gtest/gtest.h>

namespace qcow2_dedup {
namespace {

using block::MemoryOperation;
using block::Options;
using block::Qcow2Disk;
using block::succeeded;

block::Result<void> amend(Qcow2Disk& disk, const std::string& dedup) {
  Options options{{"dedup", dedup}};
  return disk.node().amend(options);
}

bool is_deduplicated(const Qcow2Disk& disk) {
  qcow2::Header header = disk.header();
  bool extension = header.find_extension(extension_magic) != nullptr;
  EXPECT_EQ((header.autoclear_features & dedup_feature_mask) != 0, extension);
  return extension;
}

TEST(Amend, OnSharesWhatIsThereAlready) {
  Qcow2Disk disk({.dedup = false});
  const std::string a = disk.pattern(1);
  disk.write(0, a + a);
  ASSERT_TRUE(succeeded(amend(disk, "sha256")));
  disk.reopen();
  disk.wait_for_scan();
  EXPECT_EQ(disk.host_of(0), disk.host_of(1));
  EXPECT_TRUE(disk.holds(0, a + a));
  EXPECT_TRUE(succeeded(disk.close()));
  disk.expect_clean();
}

// Another program left a cluster with one owner that lacks COPIED, as when it overwrote the others.
TEST(Amend, OnSharesWithAnOwnerThatLacksCopied) {
  Qcow2Disk disk({.dedup = false});
  const std::string a = disk.pattern(1), b = disk.pattern(2);
  disk.write(0, a);
  ASSERT_TRUE(succeeded(disk.close()));
  disk.set_file64(disk.l2_entry_place(0), disk.l2_entry(0) & ~qcow2::copied_flag);
  disk.open();
  ASSERT_TRUE(succeeded(amend(disk, "sha256")));
  disk.reopen();
  disk.wait_for_scan();
  disk.write(1, a);
  EXPECT_EQ(disk.host_of(0), disk.host_of(1));
  disk.write(0, b);
  EXPECT_TRUE(disk.holds(0, b + a));
  EXPECT_TRUE(succeeded(disk.close()));
  disk.expect_clean();
}

TEST(Amend, OffLeavesNothingButSharedClusters) {
  Qcow2Disk disk;
  const std::string a = disk.pattern(1), b = disk.pattern(2);
  disk.write(0, a + a + b);
  ASSERT_TRUE(succeeded(amend(disk, "off")));
  EXPECT_FALSE(disk.node().query_dedup());
  disk.write(3, a); // plainly
  disk.write(0, b);
  EXPECT_TRUE(succeeded(disk.close()));
  EXPECT_FALSE(is_deduplicated(disk));
  EXPECT_FALSE(disk.header().dirty());
  disk.expect_clean(0);
  disk.open();
  EXPECT_TRUE(disk.holds(0, b + a + b + a));
}

// One of two owners goes, and with it the sharing: COPIED is set by the close or by the next
// opener.
TEST(Amend, OffLeavesSharedClustersThatAnUncleanEndDoesNotMakeCorrupt) {
  Qcow2Disk disk;
  const std::string a = disk.pattern(1), b = disk.pattern(2);
  disk.write(0, a + a);
  ASSERT_TRUE(succeeded(amend(disk, "off")));
  disk.reopen();
  disk.write(0, b);
  disk.flush();
  disk.flush(); // now the refcount is lowered in the file, too
  disk.kill();
  ASSERT_EQ(disk.stored_refcount((disk.l2_entry(1) & qcow2::offset_mask) / disk.cluster_bytes()),
            1u);
  EXPECT_TRUE(disk.header().dirty()) << "who opens it next does not know that COPIED is missing";
  disk.open();
  EXPECT_TRUE(disk.holds(0, b + a));
  EXPECT_TRUE(succeeded(disk.close()));
  EXPECT_FALSE(disk.header().dirty());
  EXPECT_TRUE(disk.copied(1));
  disk.expect_clean(0);
}

TEST(Amend, OnAndOffAreWholeOrNotAtAllWhateverFails) {
  for (bool on : {true, false})
    for (MemoryOperation operation : {MemoryOperation::write, MemoryOperation::flush}) {
      bool failed = true;
      for (std::uint64_t nth = 1; failed; ++nth) {
        SCOPED_TRACE(testing::Message() << "on " << on << ", operation " << nth);
        Qcow2Disk disk({.dedup = !on});
        const std::string a = disk.pattern(1), b = disk.pattern(2);
        disk.write(0, a + b + a);
        disk.flush();
        const std::uint64_t before = disk.file->count(operation);
        disk.file->fail(operation, nth, EIO);
        block::Result<void> amended = amend(disk, on ? "sha256" : "off");
        if (amended) (void)disk.node().co_flush().ok();
        failed = disk.file->count(operation) - before >= nth;
        disk.cut_power();
        EXPECT_TRUE(!amended || is_deduplicated(disk) == on);
        disk.open();
        EXPECT_TRUE(disk.holds(0, a + b + a));
        disk.write(4, b);
        EXPECT_TRUE(disk.holds(0, a + b + a + disk.zeros() + b));
        EXPECT_TRUE(succeeded(disk.close()));
        disk.expect_consistent();
        ASSERT_LT(nth, 100u);
      }
    }
}

// The backing file's name would move, and a torn write would leave half of it.
TEST(Amend, RefusesAHeaderThatCouldNotBeTornSafely) {
  Qcow2Disk disk({.dedup = false,
                  .create = {{"backing_file", std::string(400, 'n')}, {"backing_fmt", "raw"}},
                  .open = {{"backing", ""}}});
  block::Result<void> amended = amend(disk, "sha256");
  ASSERT_FALSE(amended);
  EXPECT_NE(amended.error().message().find("too long"), std::string::npos);
  EXPECT_TRUE(succeeded(disk.close()));
  EXPECT_FALSE(is_deduplicated(disk));
}

TEST(Amend, WantsAnAlgorithmThatItKnows) {
  Qcow2Disk disk;
  EXPECT_FALSE(amend(disk, "md5"));
  EXPECT_FALSE(amend(disk, "sha3-256")); // is deduplicated by another one
  EXPECT_TRUE(succeeded(amend(disk, "sha256")));
}

} // namespace
} // namespace qcow2_dedup
