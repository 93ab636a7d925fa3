// The background scan: what was stored without deduplication is shared in the end, whoever wrote
// it, and a guest that writes meanwhile always wins.
#include "tests/support/qcow2-disk.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <random>
#include <thread>

namespace qcow2_dedup {
namespace {

using block::DedupScanState;
using block::DedupStatus;
using block::Qcow2Disk;
using block::succeeded;

class BackgroundScan : public testing::Test {
protected:
  Qcow2Disk disk;
  const std::string a = disk.pattern(1), b = disk.pattern(2), c = disk.pattern(3);

  void pause() { ASSERT_TRUE(succeeded(disk.node().pause_dedup())); }
  void resume(bool scan_all = false, std::optional<std::uint64_t> scan_rate = {}) {
    ASSERT_TRUE(
        succeeded(disk.node().resume_dedup({.scan_all = scan_all, .scan_rate = scan_rate})));
  }
};

TEST_F(BackgroundScan, SharesWhatWasWrittenWhilePaused) {
  disk.write(0, a);
  pause();
  disk.write(1, a + b + b + disk.zeros() + c);
  EXPECT_EQ(disk.counters().unscanned_clusters, 64u);
  resume();
  disk.wait_for_scan();
  EXPECT_EQ(disk.host_of(1), disk.host_of(0));
  EXPECT_EQ(disk.host_of(3), disk.host_of(2));
  EXPECT_FALSE(disk.host_of(4));
  EXPECT_TRUE(disk.holds(0, a + a + b + b + disk.zeros() + c));
  EXPECT_EQ(disk.counters().scanned_clusters, 5u);
  EXPECT_EQ(disk.counters().scan_deduplicated_clusters, 3u);
  EXPECT_EQ(disk.counters().deduplicated_clusters, 0u);
  EXPECT_GT(disk.file->count(block::MemoryOperation::discard), 0u); // though nobody flushed
  disk.reopen();
  EXPECT_TRUE(disk.holds(0, a + a + b + b + disk.zeros() + c));
  EXPECT_TRUE(succeeded(disk.close()));
  EXPECT_FALSE(disk.copied(0));
  EXPECT_FALSE(disk.copied(1));
  EXPECT_TRUE(disk.copied(5));
  disk.expect_clean();
}

TEST_F(BackgroundScan, MakesContentFindableWhereItLies) {
  pause();
  disk.write(0, a);
  resume();
  disk.wait_for_scan();
  auto host = disk.host_of(0);
  disk.write(1, a);
  EXPECT_EQ(disk.host_of(0), host);
  EXPECT_EQ(disk.host_of(1), host);
  EXPECT_EQ(disk.refcount_of(0), 2u);
}

TEST_F(BackgroundScan, ReadsNothingWhereEverythingIsKnown) {
  disk.write(0, a + b + c);
  pause();
  resume(true);
  disk.wait_for_scan();
  EXPECT_EQ(disk.counters().scanned_clusters, 0u);
  EXPECT_TRUE(disk.holds(0, a + b + c));
}

TEST_F(BackgroundScan, DoesNotBeginIfNothingWasWrittenMeanwhile) {
  disk.write(0, a);
  pause();
  resume();
  EXPECT_EQ(disk.counters().status, DedupStatus::running);
  EXPECT_EQ(disk.counters().unscanned_clusters, 0u);
}

TEST_F(BackgroundScan, GoesOnAfterACloseWhereItWas) {
  pause();
  for (unsigned i = 0; i < 64; ++i)
    disk.write(i, disk.pattern(i / 2));
  disk.reopen();
  EXPECT_EQ(disk.counters().status, DedupStatus::paused);
  resume(false, 1); // one batch, and then a rest
  EXPECT_EQ(disk.counters().status, DedupStatus::resuming);
  ASSERT_TRUE(succeeded(disk.close()));
  disk.open();
  EXPECT_LE(disk.counters().status, DedupStatus::running); // not paused
  disk.wait_for_scan();
  for (unsigned i = 0; i < 64; i += 2) {
    EXPECT_EQ(disk.host_of(i), disk.host_of(i + 1)) << i;
    EXPECT_TRUE(disk.holds(i, disk.pattern(i / 2) + disk.pattern(i / 2)));
  }
  EXPECT_TRUE(succeeded(disk.close()));
  disk.expect_clean();
  // And does not begin again.
  disk.open();
  disk.wait_for_index();
  EXPECT_EQ(disk.counters().status, DedupStatus::running);
  EXPECT_EQ(disk.counters().unscanned_clusters, 0u);
}

TEST_F(BackgroundScan, AGuestsWriteWinsOverWhatTheScanHasRead) {
  disk.write(0, a);
  EXPECT_TRUE(succeeded(disk.close()));
  disk.open({{"dedup-verify", "on"}});
  disk.wait_for_index();
  pause();
  disk.write(1, a);
  // The scan has read cluster 1 when it compares it with cluster 0.
  std::uint64_t compared = *disk.host_of(0) * disk.cluster_bytes();
  std::promise<void> reached, released;
  std::atomic<bool> held{false};
  disk.file->set_hook([&](block::MemoryOperation operation, std::uint64_t offset, std::uint64_t) {
    if (operation != block::MemoryOperation::read || offset != compared || held.exchange(true))
      return;
    reached.set_value();
    released.get_future().wait();
  });
  resume();
  reached.get_future().wait();
  std::thread guest([&] { disk.write(1, b); });
  std::this_thread::sleep_for(std::chrono::milliseconds(50)); // it waits, or it writes now
  released.set_value();
  guest.join();
  disk.wait_for_scan();
  disk.file->set_hook({});
  EXPECT_TRUE(disk.holds(0, a + b));
  EXPECT_TRUE(succeeded(disk.close()));
  disk.expect_clean();
}

TEST(BackgroundScanAfterAClose, DoesNotLookAgainAtWhatItHasPassed) {
  block::DiskShape shape;
  shape.cluster_bits = 16; // eight clusters a batch
  Qcow2Disk disk(shape);
  ASSERT_TRUE(succeeded(disk.node().pause_dedup()));
  for (unsigned i = 0; i < 64; ++i)
    disk.write(i, disk.pattern(i));
  // What cannot be read is passed over; were it looked at again, it would be scanned then.
  disk.file->fail_reads_of(*disk.host_of(2) * disk.cluster_bytes());
  ASSERT_TRUE(succeeded(disk.node().resume_dedup({.scan_all = false, .scan_rate = 1})));
  while (disk.counters().scanned_clusters == 0)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  ASSERT_TRUE(succeeded(disk.close()));
  disk.file->heal();
  disk.open();
  disk.wait_for_scan();
  EXPECT_EQ(disk.counters().scanned_clusters, 56u);
  EXPECT_TRUE(disk.holds(2, disk.pattern(2)));
  EXPECT_TRUE(succeeded(disk.close()));
  disk.expect_clean();
}

// The scan starts while the node is being opened, so it may meet the damage before open() returns.
TEST(BackgroundScanOfADamagedImage, MarksTheImageCorrupt) {
  for (int i = 0; i < 20; ++i) {
    Qcow2Disk disk;
    disk.write(0, disk.pattern(1) + disk.pattern(2));
    ASSERT_TRUE(succeeded(disk.close()));
    Extension extension = disk.extension();
    extension.set_scan_mark(0);
    disk.set_extension(extension);
    constexpr std::uint64_t beyond_the_end = std::uint64_t{1} << 50;
    disk.set_file64(disk.l2_entry_place(0), beyond_the_end | qcow2::copied_flag);
    std::promise<void> corrupted;
    disk.graph.set_event_sink([&](const block::Node&, block::NodeEvent event, const std::string&) {
      if (event == block::NodeEvent::image_corrupted) corrupted.set_value();
    });
    disk.open();
    ASSERT_EQ(corrupted.get_future().wait_for(std::chrono::seconds(30)), std::future_status::ready);
    EXPECT_EQ(kind_of(block::write(disk.node(), 0, disk.pattern(1))), block::ErrorKind::corrupt);
    (void)disk.close(); // refused, because the image is corrupt
  }
}

TEST_F(BackgroundScan, FollowsACrash) {
  pause();
  disk.write(0, a + a + b);
  disk.flush();
  resume();
  disk.kill();
  disk.open();
  disk.wait_for_scan();
  EXPECT_EQ(disk.host_of(0), disk.host_of(1));
  EXPECT_TRUE(disk.holds(0, a + a + b));
  EXPECT_TRUE(succeeded(disk.close()));
  disk.expect_clean();
}

TEST_F(BackgroundScan, WaitsAndEndsAsItIsTold) {
  pause();
  disk.write(0, a + a);
  resume(false, 1);
  const std::shared_ptr<block::Job> job = disk.scan();
  ASSERT_TRUE(job);
  EXPECT_EQ(job->type(), "dedup");
  EXPECT_EQ(job->progress().total, disk.guest_bytes());
  ASSERT_TRUE(succeeded(job->pause()));
  EXPECT_EQ(disk.counters().scan.state, DedupScanState::paused);
  EXPECT_EQ(disk.counters().status, DedupStatus::resuming);
  ASSERT_TRUE(succeeded(job->resume()));
  EXPECT_EQ(disk.counters().scan.state, DedupScanState::running);
  job->cancel();
  EXPECT_FALSE(disk.scan());
  EXPECT_EQ(disk.counters().scan.state, DedupScanState::idle);
  EXPECT_EQ(disk.counters().status, DedupStatus::running);
  resume(true, 0);
  disk.wait_for_scan();
  EXPECT_EQ(disk.host_of(0), disk.host_of(1));
}

TEST_F(BackgroundScan, OfDataWithManyOwnersKeepsThem) {
  disk.write(0, a);
  disk.write(1, a);
  disk.write(2, a);
  // The table is lost: another program wrote to the image and cleared the autoclear bit.
  EXPECT_TRUE(succeeded(disk.close()));
  disk.set_file64(88, 0);
  disk.open();
  disk.wait_for_scan();
  EXPECT_EQ(disk.refcount_of(0), 3u);
  disk.write(3, a);
  EXPECT_EQ(disk.host_of(3), disk.host_of(0));
  disk.write(0, b);
  EXPECT_TRUE(disk.holds(0, b + a + a + a));
  EXPECT_TRUE(succeeded(disk.close()));
  disk.expect_clean();
}

TEST_F(BackgroundScan, LeavesUnreadableClustersAlone) {
  pause();
  disk.write(0, a + a + b + b);
  disk.file->fail_reads_of(*disk.host_of(0) * disk.cluster_bytes());
  resume();
  disk.wait_for_scan();
  disk.file->heal();
  EXPECT_NE(disk.host_of(0), disk.host_of(1));
  EXPECT_EQ(disk.host_of(2), disk.host_of(3));
  EXPECT_TRUE(disk.holds(0, a + a + b + b));
}

// Guest threads write tagged contents, duplicates and zeros, while deduplication is paused and
// resumed and the scan runs; every cluster ends with what was written there last.
TEST(BackgroundScanUnderLoad, NeverOverwritesWhatTheGuestWrites) {
  constexpr std::uint64_t clusters = 512;
  Qcow2Disk disk({.guest_clusters = clusters});
  constexpr unsigned writers = 3;
  std::vector<unsigned> last(clusters, 0);
  std::atomic<bool> end = false;
  std::vector<std::thread> threads;
  for (unsigned writer = 0; writer < writers; ++writer)
    threads.emplace_back([&, writer] {
      std::mt19937 random(writer);
      for (int i = 0; i < 3000; ++i) {
        std::uint64_t guest = random() % (clusters / writers) * writers + writer;
        unsigned seed = random() % 40;
        disk.write(guest, seed == 0 ? disk.zeros() : disk.pattern(seed));
        last[guest] = seed;
      }
    });
  std::thread control([&] {
    while (!end) {
      EXPECT_TRUE(succeeded(disk.node().pause_dedup()));
      std::this_thread::sleep_for(std::chrono::milliseconds(3));
      EXPECT_TRUE(succeeded(disk.node().resume_dedup()));
      std::this_thread::sleep_for(std::chrono::milliseconds(7));
    }
  });
  for (std::thread& thread : threads)
    thread.join();
  end = true;
  control.join();
  auto expect_contents = [&] {
    for (std::uint64_t guest = 0; guest < clusters; ++guest)
      ASSERT_TRUE(disk.holds(guest, last[guest] == 0 ? disk.zeros() : disk.pattern(last[guest])));
  };
  expect_contents();
  ASSERT_TRUE(succeeded(disk.node().resume_dedup()));
  disk.wait_for_scan();
  expect_contents();
  // As small as if everything had been written with deduplication: each content is stored once.
  std::vector<std::optional<std::uint64_t>> host(40);
  for (std::uint64_t guest = 0; guest < clusters; ++guest) {
    if (last[guest] == 0) {
      EXPECT_FALSE(disk.host_of(guest)) << guest;
      continue;
    }
    auto& known = host[last[guest]];
    if (!known) known = disk.host_of(guest);
    EXPECT_EQ(disk.host_of(guest), known) << guest;
  }
  EXPECT_TRUE(succeeded(disk.close()));
  disk.expect_clean();
  disk.open();
  expect_contents();
}

} // namespace
} // namespace qcow2_dedup
