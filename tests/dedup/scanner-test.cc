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
  bool complete = true;
  std::uint64_t read_bytes = 0; // of each step
  std::uint64_t bad_position = UINT64_MAX;

private:
  block::Result<Step> step(std::uint64_t position) override {
    if (position == bad_position) return block::Error::from_errno(EIO, "step");
    return Step{position + 1, read_bytes};
  }
  std::uint64_t end() const override { return 10; }
  block::JobProgress progress(std::uint64_t position) const override { return {position * 2, 20}; }
  std::uint64_t guest_requests() const override { return 0; }
  bool reached_end(std::uint64_t start) override {
    at_end(start);
    return complete;
  }
  void state_changed() override {}
};

const Scanner::Jobs unlisted{"scan", nullptr};

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
  Scanner scanner(work, unlisted, 3, 0);
  EXPECT_EQ(scanner.report().position, 3u);
  for (std::uint64_t start = 1; start <= 3; ++start) {
    scanner.start(0);
    wait_until([&] { return ends == start; });
    EXPECT_EQ(last, start);
    wait_until([&] { return scanner.report().state == State::idle; });
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
  Scanner scanner(work, unlisted, 0, 0);
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
  Scanner scanner(work, unlisted, 0, 0);
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
  Scanner scanner(work, unlisted, 0, 1);
  scanner.cancel();
  scanner.start(0);
  EXPECT_EQ(scanner.report().state, State::running);
  scanner.cancel();
  EXPECT_EQ(scanner.report().state, State::idle);
}

// The list of a program, and what it is told.
class ScannerJobs : public testing::Test {
private:
  std::mutex mutex; // of `told`

protected:
  std::string told;
  block::JobList list{[this](const block::Job& job, block::JobStatus status) {
    EXPECT_EQ(job.id(), "dedup-disk");
    constexpr const char* names[] = {"created",  "running",   "paused",
                                     "aborting", "concluded", "null"};
    std::lock_guard hold(mutex);
    told += std::string(told.empty() ? "" : " ") + names[static_cast<int>(status)];
  }};
  TenPositions work;
  Scanner scanner{work, {"dedup-disk", &list}, 0, 0};

  std::string so_far() {
    std::lock_guard hold(mutex);
    return told;
  }
  void wait_for_end() {
    wait_until([&] { return list.all().empty(); });
    scanner.stop();
  }
};

TEST_F(ScannerJobs, ARunIsAJobUntilItsEnd) {
  std::promise<void> at_end, go_on;
  work.at_end = [&](std::uint64_t) {
    at_end.set_value();
    go_on.get_future().wait();
  };
  scanner.start(0);
  at_end.get_future().wait();
  const std::shared_ptr<block::Job> job = list.find("dedup-disk");
  ASSERT_TRUE(job);
  EXPECT_EQ(job->type(), "dedup");
  EXPECT_EQ(job->progress().current, 20u);
  EXPECT_EQ(job->progress().total, 20u);
  EXPECT_TRUE(job->pause());
  EXPECT_EQ(scanner.report().state, State::paused);
  EXPECT_TRUE(job->resume());
  EXPECT_EQ(scanner.report().state, State::running);
  go_on.set_value();
  wait_for_end();
  EXPECT_EQ(told, "created running paused running concluded null");
}

TEST_F(ScannerJobs, ARunThatLeavesWorkAborts) {
  work.complete = false;
  scanner.start(0);
  wait_for_end();
  EXPECT_EQ(told, "created running aborting concluded null");
  EXPECT_EQ(scanner.report().error, "");
}

TEST_F(ScannerJobs, AnErrorOfAStepAbortsTheRunAndIsKept) {
  work.bad_position = 4;
  scanner.start(0);
  wait_for_end();
  EXPECT_EQ(told, "created running aborting concluded null");
  EXPECT_EQ(scanner.report().error, "step: Input/output error");
  EXPECT_EQ(scanner.report().position, 4u);
}

TEST_F(ScannerJobs, AScanThatBeginsAgainIsAnotherJob) {
  scanner.set_rate(1);
  work.read_bytes = 1 << 30;
  scanner.start(0);
  const std::shared_ptr<block::Job> first = list.find("dedup-disk");
  EXPECT_EQ(first->speed(), 1u);
  scanner.set_rate(2);
  EXPECT_EQ(first->speed(), 2u);
  scanner.start(0);
  EXPECT_EQ(so_far(), "created running aborting concluded null created running");
  EXPECT_NE(list.find("dedup-disk"), first);
  list.find("dedup-disk")->cancel();
  EXPECT_EQ(scanner.report().state, State::idle);
  EXPECT_TRUE(list.all().empty());
}

TEST_F(ScannerJobs, RestsAsItsRateDemands) {
  work.read_bytes = 1000;
  scanner.set_rate(50000); // 20 ms for each step
  const auto began = std::chrono::steady_clock::now();
  scanner.start(0);
  wait_for_end();
  EXPECT_GE(std::chrono::steady_clock::now() - began, std::chrono::milliseconds(200));
}

TEST_F(ScannerJobs, APausedRunStaysWhereItIs) {
  work.read_bytes = 1000;
  scanner.set_rate(10000); // 100 ms for each step
  scanner.start(0);
  ASSERT_TRUE(list.find("dedup-disk")->pause());
  std::this_thread::sleep_for(std::chrono::milliseconds(30)); // for the step under way
  const std::uint64_t position = scanner.report().position;
  EXPECT_LT(position, 10u);
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  EXPECT_EQ(scanner.report().position, position);
  scanner.set_rate(0);
  ASSERT_TRUE(list.find("dedup-disk")->resume());
  wait_for_end();
  EXPECT_EQ(scanner.report().position, 10u);
}

TEST_F(ScannerJobs, AnIdThatIsTakenIsAnError) {
  class Other final : public block::Job {
  public:
    Other() : Job("dedup-disk", "other", CancelEnds::at_once) {}
  };
  auto other = std::make_shared<Other>();
  ASSERT_TRUE(list.add(other));
  scanner.start(0);
  EXPECT_EQ(scanner.report().state, State::idle);
  EXPECT_EQ(scanner.report().error, "Job ID 'dedup-disk' is already in use");
  other->cancel();
}

} // namespace
} // namespace dedup
