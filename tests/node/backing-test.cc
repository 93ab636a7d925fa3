// Backing files that images name: which file is meant, and what an image may not ask for.
#include "tests/node/chain-driver.h"
#include "tests/support/nodes.h"
#include "tests/support/temporary-directory.h"

#include <sys/stat.h>
#include <unistd.h>

namespace block {
namespace {

class Backing : public testing::Test {
protected:
  TemporaryDirectory directory;
  Graph graph;

  void SetUp() override { register_chain_driver(); }
  Result<std::shared_ptr<Node>> open_chain(const std::string& name, Options more = {}) {
    Options options = options_for_filename(directory.file(name), "chain");
    for (const auto& [key, value] : more.entries())
      options.set(key, value);
    return graph.open(std::move(options), {.read_only = true});
  }
  std::string failure(const std::string& name, Options more = {}) {
    const std::string message = message_of(open_chain(name, std::move(more)));
    EXPECT_TRUE(graph.nodes().empty()) << "something stayed open";
    return message;
  }
};

TEST_F(Backing, RelativeNameIsThatOfAFileBesideTheOverlay) {
  std::filesystem::create_directory(directory.file("sub"));
  directory.make("sub/base", "content");
  directory.make("overlay", chain_image("sub/base", "raw"));
  directory.make("sub/top", chain_image("../overlay", "chain"));
  auto node = open_chain("sub/top");
  ASSERT_TRUE(succeeded(node));
  EXPECT_EQ(read(**node, 0, 7), "content");
  EXPECT_TRUE((*node)->backing()->backing()->read_only());
}

TEST_F(Backing, ResolvedNames) {
  EXPECT_EQ(*resolve_backing_filename("/a/b", "c"), "/a/c");
  EXPECT_EQ(*resolve_backing_filename("b", "c"), "c");
  EXPECT_EQ(*resolve_backing_filename("a/b", "/c"), "/c");
  EXPECT_EQ(*resolve_backing_filename("file:a/b", "file:c"), "a/c");
  EXPECT_EQ(*resolve_backing_filename("a/b", "./c:d"), "a/./c:d");
}

TEST_F(Backing, NameThatIsNotAPlainFileIsRefused) {
  for (const char* name : {"json:{\"driver\":\"null-co\"}", "nbd://localhost", "null-co://",
                           "host_device:/dev/sda", "blkdebug::base"}) {
    directory.make("overlay", chain_image(name));
    EXPECT_EQ(failure("overlay"), "Could not open backing file: The backing file name '" +
                                      std::string(name) + "' does not name a plain file");
  }
  EXPECT_FALSE(resolve_backing_filename("a", "").ok());
  EXPECT_FALSE(resolve_backing_filename("a", std::string("b\0c", 3)).ok());
}

TEST_F(Backing, FormatThatIsNoFormatIsRefused) {
  directory.make("base", "content");
  directory.make("overlay", chain_image("base", "null-co"));
  EXPECT_EQ(failure("overlay"), "Could not open backing file: 'null-co' is not an image format");
  directory.make("overlay", chain_image("base", "../../x"));
  EXPECT_EQ(failure("overlay"), "Could not open backing file: Unknown driver '../../x'");
}

TEST_F(Backing, PipeInPlaceOfABackingFileIsRefusedWithoutWaiting) {
  ASSERT_EQ(mkfifo(directory.file("pipe").c_str(), 0600), 0);
  directory.make("overlay", chain_image("pipe", "raw"));
  EXPECT_EQ(failure("overlay"), "Could not open backing file: Could not open '" +
                                    directory.file("pipe") +
                                    "': it is neither a regular file nor a block device");
}

TEST_F(Backing, MissingFileIsNamed) {
  directory.make("overlay", chain_image("gone", "raw"));
  EXPECT_EQ(failure("overlay"), "Could not open backing file: Could not open '" +
                                    directory.file("gone") + "': No such file or directory");
}

TEST_F(Backing, LoopIsRefused) {
  directory.make("self", chain_image("self", "chain"));
  EXPECT_EQ(failure("self"), "Could not open backing file: Backing file '" +
                                 directory.file("self") + "' creates an infinite loop.");
  directory.make("a", chain_image("b", "chain"));
  directory.make("b", chain_image("link", "chain"));
  ASSERT_EQ(symlink("a", directory.file("link").c_str()), 0);
  EXPECT_EQ(failure("a"),
            "Could not open backing file: Could not open backing file: Backing file '" +
                directory.file("link") + "' creates an infinite loop.");
}

TEST_F(Backing, WritableOverlayThatNamesItselfIsALoopAndNoLockConflict) {
  directory.make("self", chain_image("self", "chain"));
  const std::string message =
      message_of(graph.open(options_for_filename(directory.file("self"), "chain"), {}));
  EXPECT_NE(message.find("infinite loop"), std::string::npos) << message;
}

TEST_F(Backing, LongChainIsRead) {
  directory.make("0", "content");
  for (int i = 1; i <= 200; ++i)
    directory.make(std::to_string(i), chain_image(std::to_string(i - 1), i == 1 ? "raw" : "chain"));
  auto node = open_chain("200");
  ASSERT_TRUE(succeeded(node));
  EXPECT_EQ(read(**node, 0, 7), "content");
}

TEST_F(Backing, ChainBeyondTheLimitIsRefused) {
  directory.make("0", "content");
  for (int i = 1; i <= 600; ++i)
    directory.make(std::to_string(i), chain_image(std::to_string(i - 1), i == 1 ? "raw" : "chain"));
  const std::string message = failure("600");
  EXPECT_NE(message.find("More than 500 nodes above each other"), std::string::npos) << message;
}

TEST_F(Backing, UserMayLeaveItOut) {
  directory.make("overlay", chain_image("gone", "raw"));
  auto node = open_chain("overlay", {{"backing", ""}});
  ASSERT_TRUE(succeeded(node));
  EXPECT_EQ((*node)->backing(), nullptr);
  Options options = options_for_filename(directory.file("overlay"), "chain");
  EXPECT_TRUE(succeeded(graph.open(options, {.read_only = true, .no_backing = true})));
}

TEST_F(Backing, UserMayGiveAnother) {
  directory.make("other", "other");
  directory.make("overlay", chain_image("gone", "raw"));
  auto file = open_chain(
      "overlay", {{"backing.driver", "raw"}, {"backing.file.filename", directory.file("other")}});
  ASSERT_TRUE(succeeded(file));
  EXPECT_EQ(read(**file, 0, 5), "other");
  auto null = open_chain("overlay", {{"backing.driver", "null-co"}, {"backing.size", "4096"}});
  ASSERT_TRUE(succeeded(null));
  EXPECT_EQ(read(**null, 0, 5), zeros(5));
  open(graph, {{"driver", "null-co"}, {"node-name", "n"}, {"size", "1M"}});
  auto reference = open_chain("overlay", {{"backing", "n"}});
  ASSERT_TRUE(succeeded(reference));
  EXPECT_EQ((*reference)->backing(), graph.find("n").get());
}

TEST_F(Backing, UserMayChangeHowTheImagesOwnIsOpened) {
  directory.make("base", "content");
  directory.make("overlay", chain_image("base", "chain"));
  auto node = open_chain("overlay", {{"backing.driver", "raw"}, {"backing.node-name", "b"}});
  ASSERT_TRUE(succeeded(node));
  EXPECT_EQ(read(**node, 0, 7), "content");
  EXPECT_EQ((*node)->backing()->name(), "b");
}

TEST_F(Backing, ChangesToABackingFileThatIsNotThereAreRefused) {
  directory.make("overlay", chain_image(""));
  EXPECT_EQ(failure("overlay", {{"backing.driver", "raw"}}),
            "The options change the backing file, but the image has none");
}

} // namespace
} // namespace block
