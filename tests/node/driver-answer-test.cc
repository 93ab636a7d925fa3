// What the node layer does with the answers of a driver: faults, corruption, and a node that is
// open only for check.
#include "tests/support/memory-file.h"
#include "tests/support/nodes.h"

#include "block/node/driver-answer.h"

#include <functional>

namespace block {
namespace {

constexpr std::uint64_t disk_bytes = 1 << 20;

// What driver "scripted" returns; the number of requests that reached it.
struct Script {
  Result<void> request;
  std::function<BlockStatus(std::uint64_t bytes)> status;
  std::uint64_t calls = 0;
  int marks = 0;
};
Script script;

Result<void> answer() {
  ++script.calls;
  return script.request;
}

Result<void> scripted_open(Node& node, Options& options) {
  Access access;
  access.write = !node.read_only();
  return node.open_child("file", options, access);
}

Result<BlockStatus> scripted_status(Node&, std::uint64_t, std::uint64_t bytes) {
  ++script.calls;
  return script.status(bytes);
}

const BlockDriver scripted_driver = {
    .format_name = "scripted",
    .open = scripted_open,
    .co_get_length = [](Node&) { return Result<std::uint64_t>(disk_bytes); },
    .co_readv = [](Node&, std::uint64_t, const IoVector&) { return answer(); },
    .co_writev = [](Node&, std::uint64_t, const IoVector&, WriteFlags) { return answer(); },
    .co_flush = [](Node&) { return Result<void>(); },
    .co_pwrite_zeroes = [](Node&, std::uint64_t, std::uint64_t, ZeroFlags) { return answer(); },
    .co_pdiscard = [](Node&, std::uint64_t, std::uint64_t) { return answer(); },
    .co_truncate = [](Node&, std::uint64_t, Preallocation) { return answer(); },
    .co_block_status = scripted_status,
    .mark_corrupt = [](Node&) { return ++script.marks == 1; },
    .check = [](Node&, const CheckRequest&) { return Result<CheckReport>(CheckReport{}); },
    .trim = [](Node&, const Progress&) { return Result<std::uint64_t>(std::uint64_t{0}); },
    .amend = [](Node&, Options&) { return answer(); },
};

class DriverAnswer : public testing::Test {
protected:
  DriverAnswer() {
    script = {};
    script.status = [](std::uint64_t bytes) {
      BlockStatus status;
      status.bytes = bytes;
      status.allocated = status.data = true;
      return status;
    };
    DriverRegistry::instance().add(scripted_driver);
    graph.set_event_sink([this](const Node&, NodeEvent event, const std::string& message) {
      if (event == NodeEvent::image_corrupted) corruptions.push_back(message);
    });
  }
  std::shared_ptr<Node> open_scripted(Graph::OpenDefaults defaults = {}) {
    return open(graph, {{"driver", "scripted"}, {"file.driver", "memory"}, {"file.filename", "a"}},
                defaults);
  }

  std::shared_ptr<MemoryFile> memory = MemoryFile::create("a");
  std::vector<std::string> corruptions;
  Graph graph;
};

TEST_F(DriverAnswer, ErrorHasAKindAnErrnoValueAndAMessage) {
  EXPECT_EQ(fault_of(Error(ErrorKind::io, "read failed")), nullptr);
  EXPECT_STREQ(fault_of(Error(ErrorKind::io, "")), "an error without a message");
  EXPECT_STREQ(fault_of(Error(ErrorKind::io, 0, "read failed")), "an error without an errno value");
  EXPECT_STREQ(fault_of(Error(ErrorKind::io, -EIO, "read failed")),
               "an error without an errno value");
  EXPECT_STREQ(fault_of(Error(static_cast<ErrorKind>(99), EIO, "read failed")),
               "an error of an unknown kind");
}

TEST_F(DriverAnswer, BlockStatusLiesWithinTheRange) {
  auto node = open_scripted();
  BlockStatus status;
  EXPECT_STREQ(fault_of(status, 4096, *node), "an empty run");
  status.bytes = 4097;
  EXPECT_STREQ(fault_of(status, 4096, *node), "a run that is longer than the range");
  status.bytes = 4096;
  EXPECT_EQ(fault_of(status, 4096, *node), nullptr);
  status.as_child = true;
  EXPECT_EQ(fault_of(status, 4096, *node), nullptr);
  EXPECT_STREQ(fault_of(status, 4096, *node->file()),
               "a run of its child \"file\", which it does not have");
}

#ifndef NDEBUG
TEST_F(DriverAnswer, FaultEndsADebugBuild) {
  auto node = open_scripted();
  script.request = Error(ErrorKind::io, "");
  EXPECT_DEATH((void)read(*node, 0, 1), "co_readv returned an error without a message");
  EXPECT_DEATH((void)write(*node, 0, "a").ok(), "co_writev returned an error without a message");
  script.status = [](std::uint64_t) { return BlockStatus{}; };
  EXPECT_DEATH((void)node->co_block_status(0, 1).ok(), "co_block_status returned an empty run");
}
#endif

TEST_F(DriverAnswer, CorruptErrorMarksTheImageAndIsReportedOnce) {
  auto node = open_scripted();
  script.request = Error(ErrorKind::io, "bad sector");
  EXPECT_FALSE(write(*node, 0, "a"));
  EXPECT_EQ(script.marks, 0);
  script.request = Error(ErrorKind::corrupt, "bad table");
  std::string data(1, '?');
  for (const auto& request : std::vector<std::function<Result<void>()>>{
           [&] { return node->co_readv(0, IoVector(data.data(), 1)); },
           [&] { return write(*node, 0, "a"); }, [&] { return node->co_pwrite_zeroes(0, 1); },
           [&] { return node->co_pdiscard(0, 1); }, [&] { return node->co_truncate(1); }}) {
    const int before = script.marks;
    EXPECT_EQ(kind_of(request()), ErrorKind::corrupt);
    EXPECT_EQ(script.marks, before + 1);
  }
  EXPECT_EQ(corruptions, std::vector<std::string>{"bad table"});
}

TEST_F(DriverAnswer, ErrorOfADriversOwnThreadIsHandledAsThatOfARequest) {
  auto node = open_scripted();
  node->note_error(Error(ErrorKind::io, "bad sector"));
  node->note_error(Error(ErrorKind::corrupt, "bad table"));
  node->note_error(Error(ErrorKind::corrupt, "bad table again"));
  EXPECT_EQ(corruptions, std::vector<std::string>{"bad table"});
}

TEST_F(DriverAnswer, NodeOpenedForCheckServesNoRequests) {
  auto node = open_scripted({.for_check = true});
  const std::string refused = "the image is open only to be checked";
  std::string data(1, '?');
  Options options;
  EXPECT_EQ(message_of(node->co_readv(0, IoVector(data.data(), 1))), refused);
  EXPECT_EQ(message_of(write(*node, 0, "a")), refused);
  EXPECT_EQ(message_of(node->co_pwrite_zeroes(0, 1)), refused);
  EXPECT_EQ(message_of(node->co_pdiscard(0, 1)), refused);
  EXPECT_EQ(message_of(node->co_truncate(1)), refused);
  EXPECT_EQ(message_of(node->co_block_status(0, 1)), refused);
  EXPECT_EQ(message_of(node->amend(options)), refused);
  EXPECT_EQ(script.calls, 0u);
  EXPECT_EQ(*node->co_get_length(), disk_bytes);
  EXPECT_TRUE(succeeded(node->co_flush()));
  EXPECT_TRUE(succeeded(node->check({})));
  EXPECT_TRUE(succeeded(node->trim({})));
}

TEST_F(DriverAnswer, OnlyANodeOpenedForCheckIsChecked) {
  auto node = open_scripted();
  EXPECT_EQ(kind_of(node->check({})), ErrorKind::busy);
  EXPECT_EQ(kind_of(node->trim({})), ErrorKind::busy);
}

} // namespace
} // namespace block
