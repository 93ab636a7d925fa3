// Reads of the medium, on whatever file system the tests run, and on one without a medium.
#include "tests/support/memory-file.h"
#include "tests/support/nodes.h"
#include "tests/support/temporary-directory.h"

namespace block {
namespace {

std::string read_medium(Node& node, std::uint64_t offset, std::size_t bytes) {
  std::string data(bytes, '?');
  const Result<void> done = node.co_read_medium(offset, IoVector(data.data(), data.size()));
  return done ? data : "read failed: " + done.error().message();
}

class Medium : public testing::TestWithParam<std::string> {
protected:
  TemporaryDirectory directory;
  Graph graph;

  std::shared_ptr<Node> open_file(const std::string& content) {
    return open(graph, {{"driver", "file"},
                        {"filename", directory.make("f", content)},
                        {"cache.direct", GetParam()}});
  }
  static bool can_tell(Node& node) {
    std::byte byte{};
    return node.co_read_medium(0, IoVector(&byte, 1)).ok();
  }
};

TEST_P(Medium, AnyRangeIsReadWhatWasWrittenJustNowToo) {
  std::string content = pattern(3 * 1024 * 1024 + 77);
  auto node = open_file(content);
  if (!node || !can_tell(*node)) GTEST_SKIP() << "this file system has no O_DIRECT";
  EXPECT_TRUE(read_medium(*node, 0, content.size()) == content);
  for (const std::uint64_t offset : {std::uint64_t{1}, std::uint64_t{4095}, std::uint64_t{70000}}) {
    EXPECT_TRUE(succeeded(write(*node, offset, "new")));
    content.replace(offset, 3, "new");
    EXPECT_EQ(read_medium(*node, offset - 1, 10), content.substr(offset - 1, 10));
  }
  EXPECT_EQ(read_medium(*node, content.size() - 100, 100), content.substr(content.size() - 100));
  constexpr std::uint64_t long_read = 2 * 1024 * 1024;
  EXPECT_TRUE(read_medium(*node, 511, long_read) == content.substr(511, long_read));
}

TEST_P(Medium, RangeBeyondTheEndIsRefused) {
  auto node = open_file("0123456789");
  if (!node || !can_tell(*node)) GTEST_SKIP() << "this file system has no O_DIRECT";
  EXPECT_EQ(read_medium(*node, 3, 7), "3456789");
  EXPECT_NE(read_medium(*node, 3, 5000).find("beyond the end"), std::string::npos);
}

TEST_P(Medium, FileThatHasAnotherNameByNowIsTheSameFile) {
  auto node = open_file("0123456789");
  if (!node) GTEST_SKIP() << "this file system has no O_DIRECT";
  std::filesystem::rename(directory.file("f"), directory.file("g"));
  directory.make("f", "abcdefghij");
  if (!can_tell(*node)) GTEST_SKIP() << "this file system has no O_DIRECT";
  EXPECT_EQ(read_medium(*node, 0, 10), "0123456789");
}

TEST_P(Medium, RawPassesItOnMovedByItsOffset) {
  auto node = open(graph, {{"driver", "raw"},
                           {"offset", "512"},
                           {"file.driver", "file"},
                           {"file.filename", directory.make("f", zeros(512) + "content")},
                           {"cache.direct", GetParam()}});
  if (!node || !can_tell(*node)) GTEST_SKIP() << "this file system has no O_DIRECT";
  EXPECT_EQ(read_medium(*node, 3, 4), "tent");
}

INSTANTIATE_TEST_SUITE_P(Cache, Medium, testing::Values("off", "on"));

TEST(MediumOfMemory, FileInTmpfsIsItsOwnMedium) {
  if (!std::filesystem::exists("/dev/shm")) GTEST_SKIP() << "there is no tmpfs";
  const std::string name = "/dev/shm/medium-test-" + std::to_string(getpid());
  { std::ofstream(name) << "content"; }
  Graph graph;
  auto node = open(graph, {{"driver", "file"}, {"filename", name}});
  std::filesystem::remove(name);
  EXPECT_EQ(read_medium(*node, 3, 4), "tent");
}

TEST(MediumOfOthers, DriverThatCannotTellSaysSo) {
  auto memory = MemoryFile::create("medium-of-others", std::vector<std::byte>(512));
  Graph graph;
  auto node = open(graph, {{"driver", "memory-plain"}, {"filename", "medium-of-others"}});
  std::byte byte{};
  EXPECT_EQ(kind_of(node->co_read_medium(0, IoVector(&byte, 1))), ErrorKind::unsupported);
}

} // namespace
} // namespace block
