// Copying images with several workers.
#include "block/tools/img/convert-job.h"

#include "tests/support/memory-file.h"
#include "tests/support/nodes.h"

#include <random>
#include <thread>

namespace tools::img {
namespace {

using block::MemoryFile;
using block::MemoryOperation;

// Data that repeats nowhere, with runs of zeros in between.
std::vector<std::byte> sparse_content(std::size_t bytes) {
  std::mt19937_64 random(4711);
  std::vector<std::byte> content(bytes);
  for (std::size_t block = 0; block < bytes; block += 64 * 1024) {
    if (random() % 3 == 0) continue;
    for (std::size_t i = block; i < std::min(bytes, block + 64 * 1024); ++i)
      content[i] = static_cast<std::byte>(random());
  }
  return content;
}

class Convert : public testing::Test {
protected:
  static constexpr std::size_t bytes = 8 * 1024 * 1024 + 512;

  Convert() {
    plan_.source = &source_;
    EXPECT_TRUE(block::succeeded(source_.append(open("input"))));
    plan_.target = &open("output");
  }

  block::Node& open(const std::string& name) {
    auto node =
        graph_.open({{"driver", "raw"}, {"file.driver", "memory"}, {"file.filename", name}}, {});
    EXPECT_TRUE(block::succeeded(node));
    auto claim = block::Node::attach(*node, "test", {.write = true});
    EXPECT_TRUE(block::succeeded(claim));
    claims_.push_back(std::move(*claim));
    return **node;
  }

  block::Result<void> run() {
    ProgressLine progress(false);
    return ConvertJob(plan_, progress).run();
  }

  std::shared_ptr<MemoryFile> input_ = MemoryFile::create("input", sparse_content(bytes));
  std::shared_ptr<MemoryFile> output_ =
      MemoryFile::create("output", std::vector<std::byte>(bytes, std::byte{0xff}));
  block::Graph graph_;
  std::vector<block::Node::Attachment> claims_;
  ConvertSource source_{false};
  ConvertPlan plan_;
};

TEST_F(Convert, CopiesEverythingInEveryOrderOfWrites) {
  for (WriteOrder order : {WriteOrder::serial, WriteOrder::overlapping, WriteOrder::free}) {
    output_->set_content(std::vector<std::byte>(bytes, std::byte{0xff}));
    plan_.order = order;
    ASSERT_TRUE(block::succeeded(run()));
    EXPECT_EQ(output_->content(), input_->content()) << static_cast<int>(order);
  }
}

TEST_F(Convert, WritesOneAtATimeAndAscendingUnlessToldOtherwise) {
  // The first piece is read late, so that a worker that did not wait for its turn would be noticed.
  input_->set_hook([](MemoryOperation, std::uint64_t offset, std::uint64_t) {
    if (offset == 0) std::this_thread::sleep_for(std::chrono::milliseconds(50));
  });
  std::mutex mutex;
  std::vector<std::uint64_t> offsets;
  output_->set_hook([&](MemoryOperation operation, std::uint64_t offset, std::uint64_t) {
    std::lock_guard hold(mutex);
    if (operation == MemoryOperation::write) offsets.push_back(offset);
  });
  block::Result<void> done = run();
  output_->set_hook({}); // the nodes are closed, and flushed, after this function
  ASSERT_TRUE(block::succeeded(done));
  EXPECT_GT(offsets.size(), 4u);
  EXPECT_TRUE(std::is_sorted(offsets.begin(), offsets.end()));
}

TEST_F(Convert, ZerosAreNotWrittenWhereTheTargetHasThem) {
  output_->set_content(std::vector<std::byte>(bytes));
  plan_.target_zero_from = 0;
  std::atomic<std::uint64_t> written = 0;
  output_->set_hook([&](MemoryOperation operation, std::uint64_t, std::uint64_t count) {
    if (operation == MemoryOperation::write) written += count;
  });
  block::Result<void> done = run();
  output_->set_hook({});
  ASSERT_TRUE(block::succeeded(done));
  EXPECT_EQ(output_->content(), input_->content());
  EXPECT_LT(written, bytes * 3 / 4);
}

TEST_F(Convert, WithoutSparseDetectionEveryByteIsWritten) {
  plan_.sparse_block = 0;
  plan_.target_zero_from = 0;
  ASSERT_TRUE(block::succeeded(run()));
  EXPECT_EQ(output_->content(), input_->content());
}

TEST_F(Convert, InputsFollowEachOtherAtWholeSectors) {
  auto second = MemoryFile::create("second", std::vector<std::byte>(700, std::byte{1}));
  ASSERT_TRUE(block::succeeded(source_.append(open("second"))));
  EXPECT_EQ(source_.length(), bytes + 1024);
  auto both = MemoryFile::create("both", std::vector<std::byte>(bytes + 1024, std::byte{0xff}));
  plan_.target = &open("both");
  ASSERT_TRUE(block::succeeded(run()));
  EXPECT_EQ(both->read(0, bytes), input_->content());
  EXPECT_EQ(both->read(bytes, 700), second->content());
  EXPECT_EQ(both->read(bytes + 700, 324), std::vector<std::byte>(324));
}

TEST_F(Convert, TheFirstErrorEndsTheWorkAndNamesItsPlace) {
  output_->fail(MemoryOperation::write, 3, ENOSPC);
  std::string message = block::message_of(run());
  EXPECT_TRUE(message.starts_with("error while writing at byte ")) << message;
  EXPECT_TRUE(message.ends_with(": No space left on device")) << message;
}

TEST_F(Convert, AReadErrorEndsTheWorkUnlessItIsASalvage) {
  input_->fail(MemoryOperation::read, 2, EIO);
  EXPECT_TRUE(block::message_of(run()).starts_with("error while reading at byte "));

  input_->heal();
  input_->fail(MemoryOperation::read, 1, EIO);
  plan_.salvage = true;
  ASSERT_TRUE(block::succeeded(run()));
  EXPECT_EQ(output_->content(), input_->content()) << "each sector was readable on its own";
}

} // namespace
} // namespace tools::img
