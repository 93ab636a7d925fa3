// The scan's thread: where it stands when it is started, cancelled and stopped at any moment.
#include "block/dedup/scanner.h"

#include <functional>
#include <future>
#include <gtest/gtest.h>

namespace dedup {
namespace {

using State = block::DedupScanState;

// Ten positions; what happens at the end is for the test to say.
class TenPositions final : public ScanWork {
public:
  std::function<void(std::uint64_t start)> at_end = [](std::uint64_t) {};

private:
  block::Result<Step> step(std::uint64_t position) override { return Step{position + 1, 0}; }
  std::uint64_t end() const override { return 10; }
  std::uint64_t guest_requests() const override { return 0; }
  void reached_end(std::uint64_t start) override { at_end(start); }
  void state_changed() override {}
};

void wait_until(const std::function<bool()>& reached) {
  for (int tries = 0; tries < 10000 && !reached(); ++tries)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  ASSERT_TRUE(reached());
}

TEST(Scanner, ReachesTheEndOnceForEachStart) {
  TenPositions work;
  std::atomic<std::uint64_t> ends{0}, last{0};
  work.at_end = [&](std::uint64_t start) {
    last = start;
    ++ends;
  };
  Scanner scanner(work, 3, 0);
  EXPECT_EQ(scanner.report().position, 3u);
  for (std::uint64_t start = 1; start <= 3; ++start) {
    scanner.start(0);
    wait_until([&] { return ends == start; });
    EXPECT_EQ(last, start);
    EXPECT_EQ(scanner.report().state, State::idle);
    EXPECT_EQ(scanner.report().position, 10u);
  }
}

// Otherwise the end of the first run would be taken for that of the second one.
TEST(Scanner, TellsTheEndOfARunFromThatOfTheNext) {
  TenPositions work;
  std::promise<void> at_end, go_on;
  std::atomic<std::uint64_t> told{0};
  std::atomic<int> ends{0};
  work.at_end = [&](std::uint64_t start) {
    if (++ends > 1) return;
    at_end.set_value();
    go_on.get_future().wait();
    told = start;
  };
  Scanner scanner(work, 0, 0);
  scanner.start(0);
  at_end.get_future().wait();
  scanner.start(0);
  EXPECT_EQ(scanner.report().starts, 2u);
  go_on.set_value();
  wait_until([&] { return ends == 2; });
  EXPECT_EQ(told, 1u);
}

// Its owner stores the position, and the next session goes on from there.
TEST(Scanner, KeepsThePositionOfAStartThatCameTooLate) {
  TenPositions work;
  std::promise<void> at_end, go_on;
  Scanner scanner(work, 0, 0);
  work.at_end = [&](std::uint64_t) {
    at_end.set_value();
    go_on.get_future().wait();
    scanner.start(4);
  };
  scanner.start(0);
  at_end.get_future().wait();
  std::thread stopper([&] { scanner.stop(); });
  std::this_thread::sleep_for(std::chrono::milliseconds(100)); // stop() waits for the step
  go_on.set_value();
  stopper.join();
  EXPECT_EQ(scanner.report().position, 4u);
  EXPECT_EQ(scanner.report().state, State::idle);
}

TEST(Scanner, GoesNoFurtherAfterACancel) {
  TenPositions work;
  Scanner scanner(work, 0, 1);
  scanner.cancel();
  EXPECT_FALSE(scanner.pause());
  scanner.start(0);
  EXPECT_TRUE(scanner.pause());
  EXPECT_EQ(scanner.report().state, State::paused);
  scanner.cancel();
  EXPECT_EQ(scanner.report().state, State::idle);
  EXPECT_FALSE(scanner.resume());
}

} // namespace
} // namespace dedup
