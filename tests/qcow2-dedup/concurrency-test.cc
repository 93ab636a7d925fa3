// Requests that meet: equal content in flight, and who goes on when the first one fails.
#include "tests/support/qcow2-disk.h"

#include <condition_variable>
#include <thread>

namespace qcow2_dedup {
namespace {

using block::MemoryOperation;
using block::Qcow2Disk;
using block::Result;

// Holds the first write of so many bytes until release().
class Gate {
public:
  Gate(block::MemoryFile& file, std::uint64_t bytes) {
    file.set_hook([this, bytes](MemoryOperation operation, std::uint64_t, std::uint64_t size) {
      if (operation != MemoryOperation::write || size != bytes) return;
      std::unique_lock hold(mutex_);
      if (++writes_ != 1) return;
      changed_.notify_all();
      changed_.wait(hold, [&] { return open_; });
    });
  }
  void wait_for_the_first() {
    std::unique_lock hold(mutex_);
    changed_.wait(hold, [&] { return writes_ > 0; });
  }
  void release() {
    std::lock_guard hold(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  unsigned writes() {
    std::lock_guard hold(mutex_);
    return writes_;
  }

private:
  std::mutex mutex_;
  std::condition_variable changed_;
  unsigned writes_ = 0;
  bool open_ = false;
};

class DedupConcurrency : public testing::Test {
protected:
  void SetUp() override { disk.write(63, disk.pattern(99)); } // the header is marked, L2 is there
  void TearDown() override {
    disk.file->set_hook({});
    EXPECT_TRUE(succeeded(disk.close()));
    disk.expect_clean();
  }

  Qcow2Disk disk;
  std::string a = disk.pattern(1), b = disk.pattern(2);
};

TEST_F(DedupConcurrency, TwoWritersOfOneContentWriteItOnce) {
  Gate gate(*disk.file, disk.cluster_bytes());
  std::thread first([&] { disk.write(0, a); });
  gate.wait_for_the_first();
  std::atomic<bool> done{false};
  std::thread second([&] {
    disk.write(9, a);
    done = true;
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_FALSE(done); // waits for the first
  gate.release();
  first.join();
  second.join();
  EXPECT_EQ(gate.writes(), 1u);
  EXPECT_EQ(disk.host_of(0), disk.host_of(9));
  EXPECT_TRUE(disk.holds(0, a));
  EXPECT_TRUE(disk.holds(9, a));
}

TEST_F(DedupConcurrency, IfTheFirstWriterFailsTheSecondWrites) {
  Gate gate(*disk.file, disk.cluster_bytes());
  disk.file->fail(MemoryOperation::write, 1, ENOSPC);
  Result<void> failed;
  std::thread first([&] { failed = disk.try_write(0, a); });
  gate.wait_for_the_first();
  std::thread second([&] { disk.write(9, a); });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  gate.release();
  first.join();
  second.join();
  EXPECT_EQ(kind_of(failed), block::ErrorKind::no_space);
  EXPECT_EQ(gate.writes(), 2u);
  EXPECT_TRUE(disk.holds(0, disk.zeros()));
  EXPECT_TRUE(disk.holds(9, a));
  disk.write(0, a);
  EXPECT_EQ(disk.host_of(0), disk.host_of(9));
}

TEST_F(DedupConcurrency, OtherContentAndOtherPlacesDoNotWait) {
  Gate gate(*disk.file, disk.cluster_bytes());
  std::thread first([&] { disk.write(0, a); });
  gate.wait_for_the_first();
  disk.write(9, b);
  EXPECT_TRUE(disk.holds(9, b));
  EXPECT_TRUE(disk.holds(0 + 1, disk.zeros()));
  disk.flush();
  gate.release();
  first.join();
  EXPECT_TRUE(disk.holds(0, a));
}

TEST_F(DedupConcurrency, WhatIsBeingOverwrittenInPlaceIsNotShared) {
  disk.write(0, a);
  Gate gate(*disk.file, disk.cluster_bytes());
  std::thread first([&] { disk.write(0, b); }); // in place
  gate.wait_for_the_first();
  disk.write(9, a);
  EXPECT_NE(disk.host_of(9), disk.host_of(0));
  gate.release();
  first.join();
  EXPECT_TRUE(disk.holds(0, b));
  EXPECT_TRUE(disk.holds(9, a));
}

TEST_F(DedupConcurrency, TwoRequestsThatHoldEachOthersContentDoNotWaitForever) {
  std::string ab, ba;
  for (unsigned i = 0; i < 16; ++i) {
    ab += disk.pattern(100 + i);
    ba += disk.pattern(115 - i);
  }
  for (unsigned round = 0; round < 50; ++round) {
    std::thread first([&] { disk.write(0, ab); });
    std::thread second([&] { disk.write(16, ba); });
    first.join();
    second.join();
    EXPECT_TRUE(disk.holds(0, ab + ba));
    EXPECT_EQ(disk.refcount_of(0), 2u);
    disk.discard(0, 32);
    if (round % 2 == 0) disk.flush();
  }
}

TEST_F(DedupConcurrency, AFlushWhileWritersRunKeepsWhatTheyFinished) {
  std::atomic<bool> stop{false};
  std::thread flusher([&] {
    while (!stop)
      disk.flush();
  });
  for (unsigned i = 0; i < 400; ++i)
    disk.write(i % 60, disk.pattern(i % 37));
  stop = true;
  flusher.join();
  disk.flush();
  disk.cut_power();
  disk.open();
  for (unsigned i = 340; i < 400; ++i)
    EXPECT_TRUE(disk.holds(i % 60, disk.pattern(i % 37)));
}

TEST_F(DedupConcurrency, ALengthThatOneIsToldMayBeUsed) {
  // The end of the disk lies within a cluster, whose rest is zeroed when the disk grows.
  const std::uint64_t odd = disk.guest_bytes() + 512;
  ASSERT_TRUE(succeeded(disk.node().co_truncate(odd)));
  disk.write_at(disk.guest_bytes(), a.substr(0, 512));
  std::atomic<int> asked{0};
  disk.file->set_hook([&](MemoryOperation operation, std::uint64_t, std::uint64_t) {
    if (operation != MemoryOperation::write) return;
    ++asked;
    const std::uint64_t length = *disk.node().co_get_length();
    EXPECT_NE(message_of(disk.node().co_pdiscard(length, 512)), "(success)");
    EXPECT_TRUE(succeeded(disk.node().co_pdiscard(length - 1, 1)));
  });
  ASSERT_TRUE(succeeded(disk.node().co_truncate(odd + 65536)));
  disk.file->set_hook({});
  EXPECT_GT(asked, 0);
  EXPECT_EQ(*disk.node().co_get_length(), odd + 65536);
  EXPECT_EQ(block::read(disk.node(), disk.guest_bytes(), disk.cluster_bytes()),
            a.substr(0, 512) + block::zeros(disk.cluster_bytes() - 512));
}

} // namespace
} // namespace qcow2_dedup
