// RangeLock: who waits for whom.
#include "block/range-lock.h"

#include <atomic>
#include <gtest/gtest.h>
#include <optional>
#include <thread>

namespace block {
namespace {

using Mode = RangeLock::Mode;

TEST(RangeLock, ReadersShareAndDistantWritersDoNotWait) {
  RangeLock lock;
  RangeLock::Guard reader(lock, 0, 10, Mode::shared);
  RangeLock::Guard second(lock, 5, 15, Mode::shared);
  RangeLock::Guard writer(lock, 15, 20, Mode::exclusive); // returning at all is the assertion
}

TEST(RangeLock, WriterWaitsForAnOverlappingReader) {
  RangeLock lock;
  std::optional<RangeLock::Guard> reader(std::in_place, lock, 0, 10, Mode::shared);
  std::atomic<bool> released = false;
  std::thread writer([&] {
    RangeLock::Guard guard(lock, 9, 12, Mode::exclusive);
    EXPECT_TRUE(released.load());
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  released = true;
  reader.reset();
  writer.join();
}

TEST(RangeLock, OneWriterAtATime) {
  RangeLock lock;
  int counter = 0; // unsynchronised on purpose: the lock is what protects it
  std::vector<std::thread> writers;
  for (int i = 0; i < 4; ++i)
    writers.emplace_back([&] {
      for (int round = 0; round < 1000; ++round) {
        RangeLock::Guard guard(lock, 0, 1, Mode::exclusive);
        ++counter;
      }
    });
  for (std::thread& writer : writers)
    writer.join();
  EXPECT_EQ(counter, 4000);
}

} // namespace
} // namespace block
