// Entries of the dedup table with the right hash and a wrong first owner. The owner that carries
// COPIED overwrites in place, so its cluster must not be shared by such an entry, whether the table
// is trusted or not.
#include "tests/qcow2-dedup/forged-table.h"

#include <future>

namespace qcow2_dedup {
namespace {

using block::DebugEvent;
using block::Repair;

// Where the entry says that the owner is: another cluster of data, one without data, one beyond the
// disk, or nowhere.
class WrongOwner : public ForgedTable,
                   public testing::WithParamInterface<std::optional<std::uint64_t>> {
protected:
  Entry wrong_entry(const std::string& content) const {
    Entry entry{fingerprint_of(content), std::nullopt};
    if (GetParam()) entry.first_owner = GuestOffset(*GetParam() * bytes());
    return entry;
  }
  // Gives each cluster another owner, overwrites each former owner, and compares.
  void share_and_overwrite() {
    disk.write(10, a);
    disk.write(11, b);
    disk.write(0, c);
    disk.write(1, c);
    EXPECT_TRUE(disk.holds(10, a + b));
    EXPECT_TRUE(disk.holds(0, c + c));
    close();
    disk.expect_clean();
  }
};

INSTANTIATE_TEST_SUITE_P(, WrongOwner, testing::Values(std::nullopt, 1, 5, std::uint64_t{1} << 40));

TEST_P(WrongOwner, InATrustedTableSharesNothing) {
  disk.write(0, a + b);
  std::uint64_t host = *disk.host_of(0);
  close();
  forge(host, wrong_entry(a));
  open();
  ASSERT_TRUE(disk.counters().table_trusted);
  share_and_overwrite();
}

TEST_P(WrongOwner, InATableThatIsNotTrustedSharesNothing) {
  disk.write(0, a + b);
  std::uint64_t host = *disk.host_of(0);
  close();
  forge(host, wrong_entry(a));
  open({{"dedup-verify", "on"}});
  share_and_overwrite();
}

// What leaves an owner that is none any more: an unclean end between the L2 table and the entry.
class AfterAnUncleanEnd : public ForgedTable, public testing::WithParamInterface<bool> {
protected:
  AfterAnUncleanEnd() {
    disk.write(0, a);
    disk.write(1, a);
    disk.reopen(); // the entry is in the file
    disk.wait_for_index();
    disk.discard(0);
    disk.flush();
    if (GetParam()) disk.flush(); // the refcount follows
    disk.kill();
  }
  void share_and_overwrite() {
    open();
    disk.write(2, a);
    disk.write(1, b);
    EXPECT_TRUE(disk.holds(0, disk.zeros() + b + a));
    close();
    disk.expect_clean();
  }
};

INSTANTIATE_TEST_SUITE_P(, AfterAnUncleanEnd, testing::Bool());

TEST_P(AfterAnUncleanEnd, OpeningLeavesNoWrongOwner) {
  share_and_overwrite();
}

TEST_P(AfterAnUncleanEnd, ARepairOfLeaksLeavesNoWrongOwner) {
  block::DiskCheck repaired = disk.repair(Repair::leaks);
  EXPECT_EQ(repaired.error, "");
  share_and_overwrite();
}

TEST_P(AfterAnUncleanEnd, ARepairOfEverythingLeavesNoWrongOwner) {
  block::DiskCheck repaired = disk.repair(Repair::all);
  EXPECT_EQ(repaired.error, "");
  EXPECT_FALSE(disk.header().dirty());
  share_and_overwrite();
}

// A repair that is killed before each of its writes in turn, and a program that goes on with what
// is there.
TEST_P(AfterAnUncleanEnd, AnInterruptedRepairLeavesNoWrongOwner) {
  const std::vector<std::byte> before = disk.file->content();
  for (Repair what : {Repair::leaks, Repair::all}) {
    std::optional<std::vector<std::byte>> left;
    std::uint64_t writes = 0;
    do {
      disk.file->set_content(before);
      left.reset();
      std::uint64_t now = 0;
      disk.file->set_hook([&](block::MemoryOperation operation, std::uint64_t, std::uint64_t) {
        if (operation == block::MemoryOperation::write && now++ == writes)
          left = disk.file->content();
      });
      (void)disk.repair(what);
      disk.file->set_hook({});
      if (left) disk.file->set_content(*left);
      share_and_overwrite();
      ++writes;
    } while (left);
    EXPECT_GT(writes, 3u);
  }
}

// The host clusters that are given out next have entries already: with the content that lies there,
// and with the one that is written.
class EntriesOfFreeClusters : public ForgedTable,
                              public testing::WithParamInterface<std::optional<std::uint64_t>> {
protected:
  static constexpr std::uint64_t writer = 5;

  EntriesOfFreeClusters() : ForgedTable({.debug = true}) {
    disk.write(0, a);
    disk.write(1, c);
    close();
    std::uint64_t end = disk.file->content().size() / bytes() + 4;
    std::vector<std::byte> content = disk.file->content();
    content.resize(end * bytes());
    std::vector<std::uint64_t> free;
    for (std::uint64_t host = 0; host < end; ++host)
      if (disk.stored_refcount(host) == 0) free.push_back(host);
    for (std::uint64_t host : free)
      std::copy_n(reinterpret_cast<const std::byte*>(old.data()), bytes(),
                  content.begin() + static_cast<std::ptrdiff_t>(host * bytes()));
    disk.file->set_content(std::move(content));
    for (std::uint64_t host : free) {
      Entry entry{fingerprint_of(old), std::nullopt};
      if (GetParam()) entry.first_owner = GuestOffset(*GetParam() * bytes());
      forge(host, entry);
    }
    open({{"dedup-verify", "on"}});
  }

  const std::string old = disk.pattern(9);
};

INSTANTIATE_TEST_SUITE_P(, EntriesOfFreeClusters, testing::Values(std::nullopt, 0, 5, 20));

TEST_P(EntriesOfFreeClusters, AreNotBelievedWhileSuchAClusterIsWritten) {
  ASSERT_TRUE(succeeded(disk.node().debug_breakpoint(DebugEvent::write_aio, "held")));
  auto write = std::async(std::launch::async, [&] { return disk.try_write(writer, b); });
  block::Result<bool> held = disk.node().debug_wait("held", std::chrono::seconds(10));
  ASSERT_TRUE(held && *held);
  auto other = std::async(std::launch::async, [&] { return disk.try_write(20, old); });
  EXPECT_TRUE(succeeded(other.get()));
  ASSERT_TRUE(succeeded(disk.node().debug_resume("held")));
  EXPECT_TRUE(succeeded(write.get()));
  EXPECT_TRUE(disk.holds(writer, b));
  EXPECT_TRUE(disk.holds(20, old));
  disk.write(writer, c);
  EXPECT_TRUE(disk.holds(20, old));
  close();
  disk.expect_clean();
}

TEST_P(EntriesOfFreeClusters, AreGoneOnceSuchAClusterIsWrittenPlainly) {
  ASSERT_TRUE(succeeded(disk.node().pause_dedup()));
  disk.write(writer, b);
  close();
  open(); // trusted, and compared by its hashes only
  ASSERT_TRUE(succeeded(disk.node().resume_dedup()));
  disk.wait_for_scan();
  disk.write(20, old);
  disk.write(writer, c);
  EXPECT_TRUE(disk.holds(20, old));
  EXPECT_TRUE(disk.holds(writer, c));
}

} // namespace
} // namespace qcow2_dedup
