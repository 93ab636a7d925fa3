// The raw format: its window into the file, and its creation.
#include "tests/support/memory-file.h"
#include "tests/support/nodes.h"
#include "tests/support/temporary-directory.h"

namespace block {
namespace {

class Raw : public testing::Test {
protected:
  std::shared_ptr<MemoryFile> memory = MemoryFile::create("disk", std::vector<std::byte>(4096));
  Graph graph;

  static Options window(const std::string& options) {
    Options parsed = *Options::parse(options);
    parsed.set("driver", "raw");
    parsed.set("file.driver", "memory");
    parsed.set("file.filename", "disk");
    return parsed;
  }
};

TEST_F(Raw, OffsetAndSizeMakeAWindow) {
  auto node = open(graph, window("offset=1000,size=50"));
  EXPECT_EQ(*node->co_get_length(), 50u);
  EXPECT_TRUE(succeeded(write(*node, 10, "abc")));
  EXPECT_EQ(read(*node->file(), 1009, 5), zeros(1) + "abc" + zeros(1));
  EXPECT_EQ(kind_of(write(*node, 49, "ab")), ErrorKind::invalid_argument);
  EXPECT_TRUE(succeeded(node->co_pwrite_zeroes(10, 1)));
  EXPECT_EQ(read(*node->file(), 1010, 3), zeros(1) + "bc");
  EXPECT_TRUE(succeeded(node->co_pdiscard(11, 1)));
  EXPECT_EQ(read(*node->file(), 1010, 3), zeros(2) + "c");
  EXPECT_EQ(node->co_block_status(10, 5)->host_offset, 1010u);
}

TEST_F(Raw, OffsetAloneReachesToTheEndAndFollowsIt) {
  auto node = open(graph, window("offset=1k"));
  EXPECT_EQ(*node->co_get_length(), 3072u);
  EXPECT_TRUE(succeeded(node->co_truncate(8192)));
  EXPECT_EQ(*node->co_get_length(), 8192u);
  EXPECT_EQ(memory->length(), 9216u);
  EXPECT_EQ(read(*node, 8190, 2), zeros(2));
}

TEST_F(Raw, WindowOutsideTheFileIsRefused) {
  EXPECT_EQ(message_of(graph.open(window("offset=5000"), {})),
            "Offset (5000) cannot be greater than size of the containing file (4096)");
  EXPECT_EQ(message_of(graph.open(window("offset=4000,size=97"), {})),
            "The sum of offset (4000) and size (97) has to be smaller or equal to the actual size "
            "of the containing file (4096)");
  EXPECT_FALSE(graph.open(window("offset=1,size=16E"), {}).ok());
  EXPECT_FALSE(graph.open(window("offset=1,size=15.99E"), {}).ok());
}

TEST_F(Raw, DiskOfFixedSizeIsNotResized) {
  auto node = open(graph, window("size=512"));
  EXPECT_EQ(message_of(node->co_truncate(1024)), "Cannot resize fixed-size raw disks");
}

TEST_F(Raw, CreateMakesAFileOfThatSize) {
  TemporaryDirectory directory;
  const std::string path = directory.file("disk");
  EXPECT_TRUE(succeeded(create_image("raw", path, {{"size", "1M"}})));
  EXPECT_EQ(std::filesystem::file_size(path), 1u << 20);
  EXPECT_TRUE(
      succeeded(create_image("raw", "file:" + path, {{"size", "4k"}, {"preallocation", "full"}})));
  EXPECT_EQ(directory.content("disk"), zeros(4096));
  EXPECT_EQ(message_of(create_image("raw", path, {{"size", "4k"}, {"preallocation", "1234"}})),
            "Invalid parameter '1234'");
  EXPECT_EQ(message_of(create_image("raw", path, {{"size", "4k"}, {"colour", "red"}})),
            "Block format 'raw' does not support the option 'colour'");
  EXPECT_EQ(message_of(create_image("raw", path, {})), "Image creation needs a size parameter");
  EXPECT_EQ(message_of(create_image("null-co", path, {{"size", "1"}})),
            "Format driver 'null-co' does not support image creation");
  EXPECT_EQ(kind_of(create_image("raw", directory.file("a/b"), {{"size", "1"}})),
            ErrorKind::not_found);
}

TEST_F(Raw, CreateThatFailsSaysWhy) {
  memory->set_capacity(1024);
  EXPECT_EQ(kind_of(create_image("raw", "memory:disk", {{"size", "4k"}})), ErrorKind::no_space);
  memory->set_capacity(1 << 20);
  memory->fail(MemoryOperation::flush, 1, EIO);
  EXPECT_EQ(kind_of(create_image("raw", "memory:disk", {{"size", "4k"}})), ErrorKind::io);
}

} // namespace
} // namespace block
