// The file driver against real files: content, space, length, what it refuses.
#include "tests/support/nodes.h"
#include "tests/support/temporary-directory.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <thread>

namespace block {
namespace {

class File : public testing::Test {
protected:
  TemporaryDirectory directory;
  Graph graph;

  std::shared_ptr<Node> open_file(const std::string& content, const std::string& options = "") {
    Options parsed = *Options::parse(options);
    parsed.set("driver", "file");
    parsed.set("filename", directory.make("f", content));
    return open(graph, std::move(parsed));
  }
  std::string failure(const Options& options) {
    const std::string message = message_of(graph.open(options, {}));
    EXPECT_TRUE(graph.nodes().empty());
    return message;
  }
  std::uint64_t blocks_on_disk() const {
    struct stat status = {};
    stat(directory.file("f").c_str(), &status);
    return static_cast<std::uint64_t>(status.st_blocks) * 512;
  }
};

TEST_F(File, WritesReachTheFile) {
  auto node = open_file("0123456789");
  EXPECT_TRUE(succeeded(write(*node, 3, "abc")));
  EXPECT_TRUE(succeeded(write(*node, 12, "xy", {.fua = true})));
  EXPECT_EQ(directory.content("f"), "012abc6789" + zeros(2) + "xy");
}

TEST_F(File, ManySegmentsAreTransferredInOrder) {
  auto node = open_file("");
  std::string data = pattern(1000);
  std::vector<iovec> segments;
  for (std::size_t i = 0; i < data.size(); i += 5) {
    segments.push_back({data.data() + i, 5});
    segments.push_back({nullptr, 0});
  }
  EXPECT_TRUE(succeeded(node->co_writev(7, IoVector(segments))));
  std::string back(1000, '?');
  for (iovec& segment : segments)
    if (segment.iov_len > 0)
      segment.iov_base = back.data() + (static_cast<char*>(segment.iov_base) - data.data());
  EXPECT_TRUE(succeeded(node->co_readv(7, IoVector(segments))));
  EXPECT_EQ(back, data);
}

TEST_F(File, ReadOfAFileThatShrankIsAnErrorAndNotSilentlyShort) {
  auto node = open_file(std::string(10000, 'x'));
  std::filesystem::resize_file(directory.file("f"), 5000);
  EXPECT_EQ(read(*node, 4000, 2000),
            "read failed: read failed: the file '" + directory.file("f") + "' ends at offset 5000");
}

TEST_F(File, FileThatAnotherMadeLongerIsReadToItsEnd) {
  auto node = open_file("abc", "read-only=on,force-share=on");
  directory.make("f", "abcdef");
  EXPECT_EQ(read(*node, 0, 6), "abcdef");
}

TEST_F(File, ZerosKeepTheirNeighboursAndExtendTheFile) {
  for (const bool may_unmap : {false, true}) {
    auto node = open_file(std::string(20000, 'x'));
    EXPECT_TRUE(succeeded(node->co_pwrite_zeroes(5000, 10000, {.may_unmap = may_unmap})));
    EXPECT_TRUE(succeeded(node->co_pwrite_zeroes(19999, 5000, {.may_unmap = may_unmap})));
    EXPECT_EQ(*node->co_get_length(), 24999u);
    EXPECT_EQ(directory.content("f"),
              std::string(5000, 'x') + zeros(10000) + std::string(4999, 'x') + zeros(5000));
    EXPECT_TRUE(succeeded(graph.close(node->name())));
  }
}

TEST_F(File, ConcurrentZerosAndWritesBeyondTheEndDoNotLoseData) {
  auto node = open_file("");
  std::vector<std::thread> threads;
  for (unsigned thread = 0; thread < 4; ++thread)
    threads.emplace_back([&, thread] {
      for (unsigned i = thread; i < 400; i += 4) {
        const std::uint64_t offset = i * 1000;
        if (i % 2)
          EXPECT_TRUE(succeeded(write(*node, offset, std::string(1000, 'x'))));
        else
          EXPECT_TRUE(succeeded(node->co_pwrite_zeroes(offset, 1000, {.may_unmap = true})));
      }
    });
  for (std::thread& thread : threads)
    thread.join();
  std::string expected;
  for (unsigned i = 0; i < 400; ++i)
    expected += i % 2 ? std::string(1000, 'x') : zeros(1000);
  EXPECT_EQ(directory.content("f"), expected);
}

TEST_F(File, DiscardFreesSpaceAndKeepsTheLength) {
  auto node = open_file(std::string(1 << 20, 'x'));
  const std::uint64_t before = blocks_on_disk();
  EXPECT_TRUE(succeeded(node->co_pdiscard(65536, 1 << 19)));
  EXPECT_EQ(*node->co_get_length(), 1u << 20);
  if (read(*node, 65536, 1) == "x") GTEST_SKIP() << "this file system cannot punch holes";
  EXPECT_LT(blocks_on_disk(), before);
}

TEST_F(File, StatusTellsDataFromHoles) {
  auto node = open_file("");
  EXPECT_TRUE(succeeded(node->co_truncate(1 << 20)));
  EXPECT_TRUE(succeeded(write(*node, 1 << 19, std::string(65536, 'x'))));
  auto status = node->co_block_status(0, 1 << 20);
  ASSERT_TRUE(succeeded(status));
  if (status->data) GTEST_SKIP() << "this file system does not tell holes";
  EXPECT_TRUE(status->zero && status->allocated);
  EXPECT_EQ(status->bytes, 1u << 19);
  status = node->co_block_status((1 << 19) + 5, 1 << 18);
  ASSERT_TRUE(succeeded(status));
  EXPECT_TRUE(status->data && !status->zero);
  EXPECT_EQ(status->bytes, 65536u - 5);
  EXPECT_EQ(status->host_offset, (1u << 19) + 5);
  status = node->co_block_status((1 << 20) - 1, 1);
  EXPECT_TRUE(status->zero && status->bytes == 1);
}

TEST_F(File, TruncationWithPreallocationTakesSpace) {
  auto node = open_file("abc");
  EXPECT_TRUE(succeeded(node->co_truncate(1 << 20, Preallocation::full)));
  EXPECT_GE(blocks_on_disk(), 1u << 20);
  EXPECT_TRUE(succeeded(node->co_truncate(2 << 20, Preallocation::falloc)));
  EXPECT_EQ(*node->co_get_length(), 2u << 20);
  EXPECT_EQ(read(*node, 0, 5), "abc" + zeros(2));
  EXPECT_EQ(message_of(node->co_truncate(3 << 20, Preallocation::metadata)),
            "Unsupported preallocation mode 'metadata'");
  EXPECT_EQ(message_of(node->co_truncate(1, Preallocation::full)),
            "Preallocation can't be used for shrinking files");
  EXPECT_TRUE(succeeded(node->co_truncate(1)));
  EXPECT_EQ(directory.content("f"), "a");
  EXPECT_EQ(read(*node, 0, 2).substr(0, 12), "read failed:");
}

TEST_F(File, PreallocationThatDoesNotFitLeavesTheOldLength) {
  auto node = open_file("abc");
  rlimit old_limit;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &old_limit), 0);
  signal(SIGXFSZ, SIG_IGN);
  const rlimit small = {1 << 20, old_limit.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const Result<void> full = node->co_truncate(8 << 20, Preallocation::full);
  const Result<void> off = node->co_truncate(8 << 20);
  const Result<void> written = write(*node, (1 << 20) - 2, "abcd");
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &old_limit), 0);
  EXPECT_FALSE(full.ok());
  EXPECT_FALSE(off.ok());
  EXPECT_FALSE(written.ok()) << "a short write was taken for a whole one";
  EXPECT_TRUE(succeeded(node->co_truncate(3)));
  EXPECT_EQ(directory.content("f"), "abc");
}

class DirectFile : public File {
protected:
  // Nothing if the file system has no O_DIRECT; the test is skipped then.
  void open_direct(const std::string& content, Node*& node) {
    Result<std::shared_ptr<Node>> opened = graph.open(
        {{"driver", "file"}, {"cache.direct", "on"}, {"filename", directory.make("f", content)}},
        {});
    if (!opened && opened.error().message().find("O_DIRECT") != std::string::npos)
      GTEST_SKIP() << "this file system has no O_DIRECT";
    ASSERT_TRUE(succeeded(opened));
    node = opened->get();
  }
};

TEST_F(DirectFile, TakesAnyRequestAndAnyMemory) {
  const std::string data = pattern(100001);
  Node* opened = nullptr;
  open_direct(data, opened);
  if (!opened) return;
  Node& node = *opened;
  EXPECT_GE(node.limits().request_alignment, 512u);
  EXPECT_EQ(read(node, 0, data.size()), data);
  EXPECT_EQ(read(node, 99990, 11), data.substr(99990));
  EXPECT_TRUE(succeeded(write(node, 5001, "abc")));
  EXPECT_TRUE(succeeded(node.co_pwrite_zeroes(7000, 9000)));
  std::string expected = data;
  expected.replace(5001, 3, "abc").replace(7000, 9000, zeros(9000));
  EXPECT_EQ(read(node, 0, data.size()), expected);
  EXPECT_EQ(directory.content("f").substr(0, data.size()), expected);
}

// Memory that O_DIRECT does not take goes through buffers that requests share one after the other.
TEST_F(DirectFile, KeepsRequestsFromAnyMemoryApart) {
  constexpr std::uint64_t part = 4 << 20;
  constexpr unsigned threads = 4;
  Node* opened = nullptr;
  open_direct(zeros(threads * part), opened);
  if (!opened) return;
  Node& node = *opened;
  std::vector<std::thread> all;
  for (unsigned thread = 0; thread < threads; ++thread)
    all.emplace_back([&, thread] {
      unsigned seed = thread;
      for (std::uint64_t bytes : {4096u, 65536u, 1u << 20, (2u << 20) + 4096u, 8192u, 1u << 20}) {
        const std::string data = "-" + pattern(bytes, seed += threads); // so it is not aligned
        const IoVector vector(const_cast<char*>(data.data()) + 1, bytes);
        EXPECT_TRUE(succeeded(node.co_writev(thread * part, vector)));
        EXPECT_TRUE(read(node, thread * part, bytes) == data.substr(1)) << bytes;
      }
    });
  for (std::thread& thread : all)
    thread.join();
}

TEST_F(File, PrefixIsNotPartOfTheName) {
  directory.make("f", "abc");
  auto node = open(graph, {{"driver", "file"}, {"filename", "file:" + directory.file("f")}});
  EXPECT_EQ(node->filename(), directory.file("f"));
}

TEST_F(File, WhatIsNoFileIsRefused) {
  const std::string missing = directory.file("gone");
  EXPECT_EQ(failure({{"driver", "file"}, {"filename", missing}}),
            "Could not open '" + missing + "': No such file or directory");
  for (const char* read_only : {"on", "off"})
    EXPECT_EQ(
        failure({{"driver", "file"}, {"filename", directory.file("")}, {"read-only", read_only}}),
        "Could not open '" + directory.file("") + "': Is a directory");
  EXPECT_EQ(failure({{"driver", "file"}, {"filename", "/dev/zero"}}),
            "Could not open '/dev/zero': it is neither a regular file nor a block device");
  EXPECT_EQ(failure({{"driver", "file"}}), "The 'file' block driver requires a file name");
  EXPECT_EQ(failure({{"driver", "file"}, {"filename", std::string("a\0b", 3)}}),
            "The file name contains a zero byte");
  const std::string file = directory.make("f", "");
  EXPECT_EQ(failure({{"driver", "file"}, {"filename", file}, {"aio", "native"}}),
            "aio=native is not supported, only aio=threads");
  EXPECT_EQ(failure({{"driver", "file"}, {"filename", file}, {"locking", "maybe"}}),
            "Parameter 'locking' expects 'on', 'off' or 'auto', not 'maybe'");
}

TEST_F(File, AutoReadOnlyFallsBackToReadingWhereWritingIsNotAllowed) {
  const std::string path = directory.make("f", "abc");
  ASSERT_EQ(chmod(directory.file("").c_str(), 0755), 0);
  ASSERT_EQ(chmod(path.c_str(), 0444), 0);
  const Options options{{"driver", "file"}, {"filename", path}};
  Options automatic = options;
  automatic.set("auto-read-only", "on");
  ASSERT_TRUE(succeeded(DriverRegistry::instance().find("raw"))); // while modules can be read
  const uid_t user = geteuid();
  if (user == 0) { // root may write whatever the mode says
    ASSERT_EQ(seteuid(65534), 0);
  }
  const std::string refused = failure(options);
  auto node = open(graph, automatic);
  auto above = open(graph, {{"driver", "raw"}, {"auto-read-only", "on"}, {"file.filename", path}});
  auto probed = open(graph, {{"auto-read-only", "on"}, {"file.filename", path}});
  if (user == 0) {
    ASSERT_EQ(seteuid(user), 0);
  }
  EXPECT_EQ(refused, "Could not open '" + path + "': Permission denied");
  ASSERT_TRUE(node);
  EXPECT_TRUE(node->read_only());
  EXPECT_EQ(read(*node, 0, 3), "abc");
  EXPECT_EQ(kind_of(write(*node, 0, "a")), ErrorKind::permission);
  for (const auto& parent : {above, probed}) {
    ASSERT_TRUE(parent);
    EXPECT_TRUE(parent->read_only());
    EXPECT_EQ(read(*parent, 0, 3), "abc");
  }
}

TEST_F(File, DescriptorIsClosedWithTheNode) {
  auto descriptors = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"),
                         std::filesystem::directory_iterator());
  };
  auto node = open_file("");
  const auto open_now = descriptors();
  ASSERT_TRUE(succeeded(graph.close(node->name())));
  EXPECT_EQ(descriptors(), open_now - 2) << "although the node object is still held";
}

TEST_F(File, HostDeviceTakesNothingButBlockDevices) {
  const std::string name = directory.make("f", "content");
  for (const std::string& filename : {name, "host_device:" + name, std::string("/dev/null")}) {
    Options options;
    options.set("driver", "host_device");
    options.set("filename", filename);
    EXPECT_NE(failure(options).find("block device"), std::string::npos) << failure(options);
  }
  Options size;
  size.set("size", "1048576");
  const std::string absent = directory.file("absent");
  EXPECT_FALSE(create_image("raw", "host_device:" + name, size).ok());
  EXPECT_FALSE(create_image("raw", "host_device:" + absent, size).ok());
  EXPECT_EQ(directory.content("f"), "content");
  EXPECT_FALSE(std::filesystem::exists(absent));
}

} // namespace
} // namespace block
