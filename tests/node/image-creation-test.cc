// Making images: what is checked before a file is touched, and what a failure leaves behind.
#include "tests/support/memory-file.h"
#include "tests/support/nodes.h"
#include "tests/support/temporary-directory.h"

namespace block {
namespace {

class ImageCreationTest : public testing::Test {
protected:
  // Whether making the image fails, with nothing left behind or, of a file that is there, nothing
  // changed.
  void expect_refused(const char* format, const Options& options) {
    SCOPED_TRACE(options.entries().begin()->first + "=" + options.entries().begin()->second);
    Options with_size = options;
    with_size.set_default("size", "1M");
    EXPECT_FALSE(create_image(format, directory.file("new"), with_size).ok());
    EXPECT_FALSE(std::filesystem::exists(directory.file("new")));
    directory.make("old", "content");
    EXPECT_FALSE(create_image(format, directory.file("old"), with_size).ok());
    EXPECT_EQ(directory.content("old"), "content");
  }

  TemporaryDirectory directory;
};

TEST_F(ImageCreationTest, OptionsAreCheckedBeforeAFileIsTouched) {
  for (const Options& options :
       std::vector<Options>{{{"cluster_size", "3000"}},
                            {{"cluster_size", "4M"}},
                            {{"refcount_bits", "3"}},
                            {{"dedup", "rot13"}},
                            {{"dedup", "yes"}},
                            {{"dedup_exclusive", "on"}},
                            {{"compat", "0.10"}},
                            {{"compat", "2.0"}},
                            {{"preallocation", "full"}},
                            {{"extended_l2", "on"}},
                            {{"compression_type", "zstd"}},
                            {{"lazy_refcounts", "maybe"}},
                            {{"backing_file", std::string(2000, 'x')}},
                            {{"backing_file", std::string(600, 'x')}, {"cluster_size", "512"}},
                            {{"nonsense", "1"}},
                            {{"size", "much"}},
                            {{"size", "7E"}},
                            {{"size", "9223372036854775807"}},
                            {{"cluster_size", "4k"}, {"size", "63T"}}})
    expect_refused("qcow2", options);
  for (const Options& options : std::vector<Options>{{{"preallocation", "metadata"}},
                                                     {{"preallocation", "1234"}},
                                                     {{"nonsense", "1"}},
                                                     {{"size", "much"}}})
    expect_refused("raw", options);
}

TEST_F(ImageCreationTest, AFileThatWasNotThereGoesWhenALaterStepFails) {
  // Larger than any file may be: found when the file is there already.
  EXPECT_FALSE(create_image("raw", directory.file("new"), {{"size", "7E"}}).ok());
  EXPECT_FALSE(std::filesystem::exists(directory.file("new")));
  directory.make("old", "content");
  EXPECT_FALSE(create_image("raw", directory.file("old"), {{"size", "7E"}}).ok());
  EXPECT_TRUE(std::filesystem::exists(directory.file("old"))) << "it was there before";
}

TEST_F(ImageCreationTest, ANewFileStaysOnlyIfItIsKept) {
  const std::string path = directory.file("new");
  {
    auto creation = ImageCreation::begin("raw", path, {{"size", "1M"}});
    ASSERT_TRUE(succeeded(creation));
    EXPECT_EQ(creation->new_file(), path);
    ASSERT_TRUE(succeeded(creation->write()));
    EXPECT_EQ(std::filesystem::file_size(path), 1u << 20);
  }
  EXPECT_FALSE(std::filesystem::exists(path));
  {
    auto creation = ImageCreation::begin("raw", "file:" + path, {{"size", "1M"}});
    ASSERT_TRUE(succeeded(creation));
    EXPECT_EQ(creation->new_file(), path);
    ASSERT_TRUE(succeeded(creation->write()));
    creation->keep();
  }
  EXPECT_TRUE(std::filesystem::exists(path));
  auto again = ImageCreation::begin("raw", path, {{"size", "2M"}});
  ASSERT_TRUE(succeeded(again));
  EXPECT_EQ(again->new_file(), "") << "it was there before";
}

TEST_F(ImageCreationTest, SizesAreRoundedUpToWholeSectors) {
  for (const char* format : {"raw", "qcow2"}) {
    ASSERT_TRUE(succeeded(create_image(format, directory.file("disk"), {{"size", "700"}})));
    Graph graph;
    auto node = open(graph, options_for_filename(directory.file("disk"), format));
    ASSERT_TRUE(node);
    EXPECT_EQ(*node->co_get_length(), 1024u) << format;
  }
}

TEST_F(ImageCreationTest, DedupOnMeansSha256) {
  ASSERT_TRUE(
      succeeded(create_image("qcow2", directory.file("disk"), {{"size", "1M"}, {"dedup", "on"}})));
  Graph graph;
  auto node = open(graph, options_for_filename(directory.file("disk"), "qcow2"));
  ASSERT_TRUE(node);
  EXPECT_EQ(node->query_dedup()->algorithm, "sha256");
}

TEST_F(ImageCreationTest, OnlyRegularFilesReadAsZerosWhenNew) {
  Graph graph;
  directory.make("disk", zeros(4096));
  const std::string path = directory.file("disk");
  auto new_reads_as_zeros = [&](Options options) {
    auto node = open(graph, std::move(options));
    return node && node->reads_as_zeros_when_new();
  };
  EXPECT_TRUE(new_reads_as_zeros(options_for_filename(path, "raw")));
  EXPECT_TRUE(new_reads_as_zeros({{"driver", "blkdebug"},
                                  {"image.driver", "raw"},
                                  {"image.file.filename", path},
                                  {"image.read-only", "on"},
                                  {"read-only", "on"},
                                  {"image.force-share", "on"}}));
  EXPECT_FALSE(new_reads_as_zeros({{"driver", "null-co"}})) << "it is not known of this driver";
  auto memory = MemoryFile::create("disk");
  EXPECT_FALSE(
      new_reads_as_zeros({{"driver", "raw"}, {"file.driver", "memory"}, {"file.filename", "disk"}}))
      << "a driver that does not say so";
}

} // namespace
} // namespace block
