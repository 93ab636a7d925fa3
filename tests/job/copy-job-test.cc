// Copying with several workers: order of writes, zeros, errors, and what a job's user may ask for.
#include "block/job/copy-job.h"

#include "tests/support/memory-file.h"
#include "tests/support/nodes.h"

#include <atomic>
#include <cstring>
#include <future>
#include <random>
#include <thread>

namespace block {
namespace {

using std::chrono::milliseconds;

// Data that repeats nowhere, with runs of zeros in between.
std::vector<std::byte> sparse_content(std::size_t bytes) {
  std::mt19937_64 random(4711);
  std::vector<std::byte> content(bytes);
  for (std::size_t start = 0; start < bytes; start += 64 * 1024) {
    if (random() % 3 == 0) continue;
    for (std::size_t i = start; i < std::min(bytes, start + 64 * 1024); ++i)
      content[i] = static_cast<std::byte>(random());
  }
  return content;
}

// Memory, all of it data.
class MemorySource final : public CopySource {
public:
  explicit MemorySource(std::vector<std::byte> bytes) : content(std::move(bytes)) {}

  std::uint64_t length() const override { return content.size(); }
  Result<Run> run_at(std::uint64_t, std::uint64_t bytes) const override {
    return Run{Kind::data, bytes};
  }
  Result<void> read(std::uint64_t offset, std::span<std::byte> data) const override {
    before_read(offset);
    if (offset == bad_offset) return Error::from_errno(EIO, "read");
    std::memcpy(data.data(), content.data() + offset, data.size());
    return {};
  }

  const std::vector<std::byte> content;
  std::function<void(std::uint64_t offset)> before_read = [](std::uint64_t) {};
  std::uint64_t bad_offset = UINT64_MAX;
};

class Copy : public testing::Test {
protected:
  static constexpr std::size_t piece = 2 * 1024 * 1024;
  static constexpr std::size_t bytes = 4 * piece + 512;

  Copy() {
    auto node = graph_.open(
        {{"driver", "raw"}, {"file.driver", "memory"}, {"file.filename", "output"}}, {});
    EXPECT_TRUE(succeeded(node));
    auto claim = Node::attach(*node, "test", {.write = true});
    EXPECT_TRUE(succeeded(claim));
    claim_ = std::move(*claim);
    plan.source = &source;
    plan.target = node->get();
  }

  std::unique_ptr<CopyJob> make_job() const {
    return std::make_unique<CopyJob>("copy0", "copy", plan);
  }
  Result<void> run() { return make_job()->run(); }

  MemorySource source{sparse_content(bytes)};
  std::shared_ptr<MemoryFile> output =
      MemoryFile::create("output", std::vector<std::byte>(bytes, std::byte{0xff}));
  CopyPlan plan;

private:
  Graph graph_;
  Node::Attachment claim_;
};

TEST_F(Copy, CopiesEverythingInEveryOrderOfWrites) {
  for (WriteOrder order : {WriteOrder::serial, WriteOrder::overlapping, WriteOrder::free}) {
    output->set_content(std::vector<std::byte>(bytes, std::byte{0xff}));
    plan.order = order;
    ASSERT_TRUE(succeeded(run()));
    EXPECT_EQ(output->content(), source.content) << static_cast<int>(order);
  }
}

TEST_F(Copy, WritesOneAtATimeAndAscendingUnlessToldOtherwise) {
  // The first piece is read late, so that a worker that did not wait for its turn would be noticed.
  source.before_read = [](std::uint64_t offset) {
    if (offset == 0) std::this_thread::sleep_for(milliseconds(50));
  };
  std::mutex mutex;
  std::vector<std::uint64_t> offsets;
  output->set_hook([&](MemoryOperation operation, std::uint64_t offset, std::uint64_t) {
    std::lock_guard hold(mutex);
    if (operation == MemoryOperation::write) offsets.push_back(offset);
  });
  Result<void> done = run();
  output->set_hook({}); // the nodes are closed, and flushed, after this function
  ASSERT_TRUE(succeeded(done));
  EXPECT_GT(offsets.size(), 4u);
  EXPECT_TRUE(std::is_sorted(offsets.begin(), offsets.end()));
}

TEST_F(Copy, ZerosAreNotWrittenWhereTheTargetHasThem) {
  output->set_content(std::vector<std::byte>(bytes));
  plan.target_zero_from = 0;
  std::atomic<std::uint64_t> written = 0;
  output->set_hook([&](MemoryOperation operation, std::uint64_t, std::uint64_t count) {
    if (operation == MemoryOperation::write) written += count;
  });
  Result<void> done = run();
  output->set_hook({});
  ASSERT_TRUE(succeeded(done));
  EXPECT_EQ(output->content(), source.content);
  EXPECT_LT(written, bytes * 3 / 4);
}

TEST_F(Copy, WithoutSparseDetectionEveryByteIsWritten) {
  plan.sparse_block = 0;
  plan.target_zero_from = 0;
  ASSERT_TRUE(succeeded(run()));
  EXPECT_EQ(output->content(), source.content);
}

TEST_F(Copy, TheFirstErrorEndsTheWorkAndNamesItsPlace) {
  output->fail(MemoryOperation::write, 3, ENOSPC);
  auto job = make_job();
  std::string message = message_of(job->run());
  EXPECT_TRUE(message.starts_with("error while writing at byte ")) << message;
  EXPECT_TRUE(message.ends_with(": No space left on device")) << message;
  ASSERT_TRUE(job->error());
  EXPECT_EQ(job->error()->message(), message);
}

TEST_F(Copy, AReadErrorEndsTheWorkInEveryOrderOfWrites) {
  for (WriteOrder order : {WriteOrder::serial, WriteOrder::overlapping, WriteOrder::free}) {
    source.bad_offset = piece;
    plan.order = order;
    EXPECT_EQ(message_of(run()),
              "error while reading at byte " + std::to_string(piece) + ": Input/output error");
  }
}

TEST_F(Copy, ProgressRisesToTheLengthOfTheSource) {
  std::mutex mutex;
  std::vector<JobProgress> told;
  auto job = make_job();
  EXPECT_EQ(job->progress().current, 0u);
  EXPECT_EQ(job->progress().total, bytes);
  job->set_progress_sink([&](JobProgress progress) {
    std::lock_guard hold(mutex);
    told.push_back(progress);
  });
  ASSERT_TRUE(succeeded(job->run()));
  EXPECT_EQ(told.size(), 5u);
  EXPECT_EQ(job->progress().current, bytes);
  EXPECT_EQ(told.front().total, bytes);
}

TEST_F(Copy, APausedJobTakesNoFurtherPieces) {
  plan.workers = 1;
  std::promise<void> reached;
  auto job = make_job();
  source.before_read = [&](std::uint64_t offset) {
    if (offset != piece) return;
    EXPECT_TRUE(succeeded(job->pause()));
    reached.set_value();
  };
  std::thread worker([&] { EXPECT_TRUE(succeeded(job->run())); });
  reached.get_future().wait();
  std::this_thread::sleep_for(milliseconds(50));
  EXPECT_LE(job->progress().current, 2 * piece);
  EXPECT_EQ(output->content().back(), std::byte{0xff});
  EXPECT_TRUE(succeeded(job->resume()));
  worker.join();
  EXPECT_EQ(output->content(), source.content);
}

TEST_F(Copy, ACancelledJobEndsWithThePiecesInFlight) {
  for (WriteOrder order : {WriteOrder::serial, WriteOrder::overlapping, WriteOrder::free}) {
    output->set_content(std::vector<std::byte>(bytes, std::byte{0xff}));
    plan.order = order;
    plan.workers = order == WriteOrder::free ? 1 : 2; // the other one might be far ahead
    auto job = make_job();
    source.before_read = [&](std::uint64_t offset) {
      if (offset == piece) job->cancel();
    };
    Result<void> done = job->run();
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().errno_value(), ECANCELED);
    EXPECT_EQ(done.error().message(), "Job 'copy0' was cancelled");
    EXPECT_EQ(job->status(), JobStatus::null);
    EXPECT_FALSE(job->error());
    EXPECT_EQ(output->content().back(), std::byte{0xff});
  }
}

TEST_F(Copy, GoesNoFasterThanItsSpeed) {
  auto job = make_job();
  job->set_speed(20 * piece); // 50 ms for each piece but the last
  const auto began = std::chrono::steady_clock::now();
  ASSERT_TRUE(succeeded(job->run()));
  EXPECT_GE(std::chrono::steady_clock::now() - began, milliseconds(200));
  EXPECT_EQ(output->content(), source.content);
}

TEST_F(Copy, ACancelEndsARest) {
  auto job = make_job();
  job->set_speed(1);
  std::thread canceller([&] {
    std::this_thread::sleep_for(milliseconds(20));
    job->cancel();
  });
  const auto began = std::chrono::steady_clock::now();
  EXPECT_FALSE(job->run());
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(60));
  canceller.join();
}

} // namespace
} // namespace block
