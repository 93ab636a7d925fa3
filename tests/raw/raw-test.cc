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
  auto node = open(graph, window("offset=1000,size=512"));
  EXPECT_EQ(*node->co_get_length(), 512u);
  EXPECT_TRUE(succeeded(write(*node, 10, "abc")));
  EXPECT_EQ(read(*node->file(), 1009, 5), zeros(1) + "abc" + zeros(1));
  EXPECT_EQ(kind_of(write(*node, 511, "ab")), ErrorKind::invalid_argument);
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

TEST_F(Raw, SizeOfAWindowIsInWholeSectors) {
  EXPECT_EQ(message_of(graph.open(window("size=700"), {})),
            "Specified size is not multiple of 512");
}

class RawOfOddLength : public Raw {
protected:
  RawOfOddLength() {
    const std::string content = pattern(700);
    const auto* bytes = reinterpret_cast<const std::byte*>(content.data());
    memory->set_content({bytes, bytes + content.size()});
    node = open(graph, window(""));
  }

  std::shared_ptr<Node> node;
};

TEST_F(RawOfOddLength, TheLastSectorReadsAsZerosBehindTheFilesEnd) {
  EXPECT_EQ(*node->co_get_length(), 1024u);
  EXPECT_EQ(read(*node, 0, 1024), pattern(700) + zeros(324));
  EXPECT_EQ(read(*node, 699, 2), pattern(700).substr(699) + zeros(1));
  EXPECT_EQ(read(*node, 800, 100), zeros(100));
  EXPECT_TRUE(read(*node, 1000, 25).starts_with("read failed"));
  BlockStatus data = *node->co_block_status(0, 1024);
  EXPECT_TRUE(data.data);
  EXPECT_EQ(data.bytes, 700u);
  BlockStatus rest = *node->co_block_status(700, 324);
  EXPECT_TRUE(rest.zero && rest.allocated);
  EXPECT_EQ(rest.bytes, 324u);
  EXPECT_EQ(rest.host_offset, 700u);
}

TEST_F(RawOfOddLength, TheLastSectorReadsFromTheMediumAsItDoesOtherwise) {
  std::string sector(512, '?');
  EXPECT_TRUE(succeeded(node->co_read_medium(512, IoVector(sector.data(), sector.size()))));
  EXPECT_EQ(sector, pattern(700).substr(512) + zeros(324));
  EXPECT_TRUE(succeeded(node->co_read_medium(800, IoVector(sector.data(), 100))));
  EXPECT_EQ(sector.substr(0, 100), zeros(100));
  memory->hide_medium();
  EXPECT_EQ(kind_of(node->co_read_medium(512, IoVector(sector.data(), sector.size()))),
            ErrorKind::unsupported);
}

TEST_F(RawOfOddLength, WritesReachToTheEndOfTheLastSector) {
  EXPECT_TRUE(succeeded(write(*node, 1000, "abc")));
  EXPECT_EQ(memory->length(), 1003u);
  EXPECT_EQ(read(*node, 0, 1024), pattern(700) + zeros(300) + "abc" + zeros(21));
  EXPECT_TRUE(succeeded(node->co_pwrite_zeroes(600, 424)));
  EXPECT_EQ(read(*node, 512, 512), pattern(700).substr(512, 88) + zeros(424));
  EXPECT_TRUE(succeeded(node->co_pdiscard(0, 1024)));
}

TEST_F(RawOfOddLength, DiscardOfWhatTheFileDoesNotHaveSucceeds) {
  EXPECT_TRUE(succeeded(node->co_pdiscard(512, 512)));
  EXPECT_TRUE(succeeded(node->co_pdiscard(800, 100)));
  EXPECT_EQ(memory->length(), 700u);
}

TEST_F(RawOfOddLength, ShrinkingWithinASectorCutsWhatWasThere) {
  EXPECT_TRUE(succeeded(node->co_truncate(4096)));
  EXPECT_TRUE(succeeded(write(*node, 0, pattern(4096))));
  EXPECT_TRUE(succeeded(node->co_truncate(600)));
  EXPECT_EQ(memory->length(), 600u);
  EXPECT_EQ(*node->co_get_length(), 1024u);
  EXPECT_EQ(read(*node, 0, 1024), pattern(4096).substr(0, 600) + zeros(424));
}

TEST_F(Raw, AFileThatWasCutIsNotReadAsZeros) {
  TemporaryDirectory directory;
  directory.make("disk", pattern(4096));
  auto node = open(graph, options_for_filename(directory.file("disk"), "raw"));
  std::filesystem::resize_file(directory.file("disk"), 1024);
  EXPECT_TRUE(read(*node, 2048, 1024).starts_with("read failed"));
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
