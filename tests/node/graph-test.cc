// Graph: names, options, children, users, closing.
#include "tests/node/chain-driver.h"
#include "tests/support/memory-file.h"
#include "tests/support/nodes.h"

#include <thread>

namespace block {
namespace {

class GraphTest : public testing::Test {
protected:
  std::shared_ptr<MemoryFile> memory = MemoryFile::create("disk", std::vector<std::byte>(4096));
  Graph graph;

  void SetUp() override {
    register_chain_driver();
    chain_closes = 0;
    chain_close_fails = false;
  }
  static Options parse(const std::string& text) { return *Options::parse(text); }
  std::string failure(const std::string& options) {
    const std::size_t before = graph.nodes().size();
    const std::string message = message_of(graph.open(parse(options), {}));
    EXPECT_EQ(graph.nodes().size(), before) << "something stayed open";
    return message;
  }
  std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (const auto& node : graph.nodes())
      all.push_back(node->name());
    return all;
  }
};

using Names = std::vector<std::string>;

TEST_F(GraphTest, ChildrenComeBeforeTheirParentAndGoWithIt) {
  open(graph, parse("driver=raw,node-name=top,file.driver=memory,file.filename=disk,"
                    "file.node-name=below"));
  EXPECT_EQ(names(), (Names{"below", "top"}));
  EXPECT_EQ(graph.find("top")->file(), graph.find("below").get());
  EXPECT_EQ(graph.find("top")->filename(), "disk");
  EXPECT_TRUE(succeeded(graph.close("top")));
  EXPECT_EQ(names(), Names{});
}

TEST_F(GraphTest, TheLastEventOfEachNodeIsThatItIsClosed) {
  Names closed;
  graph.set_event_sink([&](const Node& node, NodeEvent event, const std::string&) {
    ASSERT_EQ(event, NodeEvent::closed);
    EXPECT_EQ(graph.find(node.name()).get(), &node) << "the name was given away before";
    closed.push_back(node.name());
  });
  open(graph, parse("driver=raw,node-name=top,file.driver=memory,file.filename=disk,"
                    "file.node-name=below"));
  EXPECT_EQ(closed, Names{});
  EXPECT_TRUE(succeeded(graph.close("top")));
  EXPECT_EQ(closed, (Names{"below", "top"}));
}

TEST_F(GraphTest, ReferencedChildOutlivesItsParent) {
  open(graph, parse("driver=memory,filename=disk,node-name=below"));
  open(graph, parse("driver=raw,node-name=top,file=below"));
  EXPECT_TRUE(succeeded(graph.close("top")));
  EXPECT_EQ(names(), Names{"below"});
}

TEST_F(GraphTest, DefinedChildStaysWhileSomeoneElseUsesIt) {
  open(graph, parse("driver=raw,node-name=top,read-only=on,file.driver=memory,file.filename=disk,"
                    "file.node-name=below"));
  open(graph, parse("driver=raw,node-name=second,read-only=on,file=below"));
  EXPECT_TRUE(succeeded(graph.close("top")));
  EXPECT_EQ(names(), (Names{"below", "second"}));
  EXPECT_TRUE(succeeded(graph.close("second")));
  EXPECT_TRUE(succeeded(graph.close("below")));
}

TEST_F(GraphTest, NodeInUseIsNotClosedAndItsUserIsNamed) {
  open(graph, parse("driver=memory,filename=disk,node-name=below"));
  open(graph, parse("driver=raw,node-name=top,file=below"));
  EXPECT_EQ(message_of(graph.close("below")), "Node 'below' is in use by node 'top'");
  auto attached = Node::attach(graph.find("top"), "block export 'e'", {.write = true});
  EXPECT_EQ(kind_of(graph.close("top")), ErrorKind::busy);
  attached = Node::Attachment();
  EXPECT_TRUE(succeeded(graph.close("top")));
}

TEST_F(GraphTest, TwoWritersAreKeptApartUnlessBothAgree) {
  auto node = open(graph, parse("driver=memory,filename=disk,node-name=n"));
  auto first = Node::attach(node, "first", {.write = true});
  ASSERT_TRUE(succeeded(first));
  EXPECT_EQ(message_of(Node::attach(node, "second", {.write = true, .allow_other_writers = true})),
            "Node 'n' is in use by first");
  EXPECT_EQ(kind_of(Node::attach(node, "reader", {})), ErrorKind::busy);
  EXPECT_TRUE(succeeded(Node::attach(node, "reader", {.allow_other_writers = true})));
  EXPECT_EQ(node->users(), Names{"first"}); // the reader's attachment has ended
  first = Node::Attachment();
  auto third = Node::attach(node, "third", {.write = true, .allow_other_writers = true});
  auto fourth = Node::attach(node, "fourth", {.write = true, .allow_other_writers = true});
  EXPECT_TRUE(third.ok() && fourth.ok());
}

TEST_F(GraphTest, NoWriterOnAReadOnlyNode) {
  auto node = open(graph, parse("driver=memory,filename=disk,read-only=on"));
  EXPECT_EQ(kind_of(Node::attach(node, "w", {.write = true})), ErrorKind::permission);
}

TEST_F(GraphTest, NobodyAttachesToAClosedNode) {
  auto node = open(graph, parse("driver=memory,filename=disk"));
  EXPECT_TRUE(succeeded(graph.close(node->name())));
  EXPECT_EQ(kind_of(Node::attach(node, "late", {})), ErrorKind::not_found);
}

TEST_F(GraphTest, NamesAreUniqueAndWellFormed) {
  open(graph, parse("driver=memory,filename=disk,node-name=a"));
  EXPECT_EQ(failure("driver=memory,filename=disk,node-name=a"),
            "Duplicate nodes with node-name='a'");
  EXPECT_EQ(
      failure("driver=raw,node-name=b,file.driver=memory,file.filename=disk,file.node-name=b"),
      "Duplicate nodes with node-name='b'");
  for (const char* bad : {"", "1a", "a b", "#a", "a/b", "a1234567890123456789012345678901"})
    EXPECT_EQ(failure("driver=memory,filename=disk,node-name=" + std::string(bad)),
              "Invalid node-name: '" + std::string(bad) + "'");
  EXPECT_TRUE(succeeded(graph.open(parse("driver=memory,filename=disk,node-name=b"), {})))
      << "a name is free again after a failed open";
}

TEST_F(GraphTest, MadeUpNamesCannotBeTakenByUsers) {
  auto node = open(graph, parse("driver=memory,filename=disk"));
  EXPECT_EQ(node->name()[0], '#');
}

TEST_F(GraphTest, MistakesInOptionsAreNamed) {
  EXPECT_EQ(failure("driver=nothing"), "Unknown driver 'nothing'");
  EXPECT_EQ(failure("driver=../raw"), "Unknown driver '../raw'");
  EXPECT_EQ(failure("driver=raw"), "A block device must be specified for \"file\"");
  EXPECT_EQ(failure(""), "A block device must be specified for \"file\"");
  EXPECT_EQ(failure("driver=raw,file=nothing"), "Failed to find node with node-name='nothing'");
  EXPECT_EQ(failure("driver=memory,filename=disk,colour=red"),
            "Block protocol 'memory' does not support the option 'colour'");
  EXPECT_EQ(failure("driver=raw,colour=red,file.driver=memory,file.filename=disk"),
            "Block format 'raw' does not support the option 'colour'");
  EXPECT_EQ(failure("driver=raw,file=a,file.driver=memory"),
            "'file' is a reference to a node and a definition at once");
  EXPECT_EQ(failure("driver=raw,backing=a,file.driver=memory,file.filename=disk"),
            "Block format 'raw' does not support backing files");
  EXPECT_EQ(failure("driver=memory,filename=disk,force-share=on"),
            "force-share=on can only be used with read-only images");
  EXPECT_EQ(failure("driver=memory,filename=disk,align=3"),
            "Unusable request alignment of 3 bytes");
  EXPECT_EQ(failure("driver=memory,filename=disk,align=1G"),
            "Unusable request alignment of 1073741824 bytes");
  EXPECT_EQ(failure("driver=memory,filename=disk,read-only=maybe"),
            "Parameter 'read-only' expects 'on' or 'off'");
}

TEST_F(GraphTest, NestingWithoutEndIsRefused) {
  Options options;
  std::string prefix;
  for (int depth = 0; depth < 2000; ++depth) {
    options.set(prefix + "driver", "raw");
    prefix += "file.";
  }
  EXPECT_EQ(message_of(graph.open(std::move(options), {})), "More than 500 nodes above each other");
  EXPECT_TRUE(graph.nodes().empty());
}

TEST_F(GraphTest, ReadOnlyAndCacheOptionsReachTheChildren) {
  auto node = open(graph, parse("driver=raw,read-only=on,force-share=on,cache.no-flush=on,"
                                "file.driver=memory,file.filename=disk"));
  EXPECT_TRUE(node->file()->read_only());
  EXPECT_TRUE(node->file()->force_share());
  EXPECT_TRUE(node->file()->cache_no_flush());
}

TEST_F(GraphTest, WritableParentOfAReadOnlyChildIsRefused) {
  EXPECT_EQ(failure("driver=raw,file.driver=memory,file.filename=disk,file.read-only=on,"
                    "file.node-name=f"),
            "Block node 'f' is read-only");
}

TEST_F(GraphTest, FormatIsProbedByTheFirstBytes) {
  const std::string image = chain_image("");
  memory->set_content(
      std::vector<std::byte>(reinterpret_cast<const std::byte*>(image.data()),
                             reinterpret_cast<const std::byte*>(image.data()) + image.size()));
  auto chain = open(graph, parse("file.driver=memory,file.filename=disk,read-only=on"));
  EXPECT_STREQ(chain->driver().format_name, "chain");
  memory->set_content(std::vector<std::byte>(100));
  auto raw = open(graph, parse("file.driver=memory,file.filename=disk"));
  EXPECT_STREQ(raw->driver().format_name, "raw");
  EXPECT_EQ(raw->file()->users(), Names{"node '" + raw->name() + "'"});
}

TEST_F(GraphTest, EmptyFileIsProbedAsRaw) {
  memory->set_content({});
  EXPECT_STREQ(open(graph, parse("file.driver=memory,file.filename=disk"))->driver().format_name,
               "raw");
}

TEST_F(GraphTest, DriverIsClosedWhenTheRestOfAnOpeningFails) {
  const std::string image = chain_image("");
  memory->set_content(
      std::vector<std::byte>(reinterpret_cast<const std::byte*>(image.data()),
                             reinterpret_cast<const std::byte*>(image.data()) + image.size()));
  EXPECT_EQ(failure("driver=chain,file.driver=memory,file.filename=disk,colour=red"),
            "Block format 'chain' does not support the option 'colour'");
  EXPECT_EQ(chain_closes, 1);
}

TEST_F(GraphTest, ErrorOfClosingIsToldAndTheNodeIsGoneAllTheSame) {
  const std::string image = chain_image("");
  memory->set_content(
      std::vector<std::byte>(reinterpret_cast<const std::byte*>(image.data()),
                             reinterpret_cast<const std::byte*>(image.data()) + image.size()));
  open(graph, parse("driver=chain,node-name=c,file.driver=memory,file.filename=disk"));
  chain_close_fails = true;
  EXPECT_EQ(message_of(graph.close("c")), "Closing node 'c': chain does not close well");
  EXPECT_TRUE(graph.nodes().empty());
  EXPECT_EQ(kind_of(graph.close("c")), ErrorKind::not_found);
}

TEST_F(GraphTest, ClosingAWritableNodeFlushesIt) {
  auto node = open(graph, parse("driver=raw,file.driver=memory,file.filename=disk"));
  EXPECT_TRUE(succeeded(write(*node, 0, "abc")));
  memory->fail(MemoryOperation::flush, 1, EIO);
  EXPECT_EQ(kind_of(graph.close_all()), ErrorKind::io);
  EXPECT_TRUE(graph.nodes().empty());
}

TEST_F(GraphTest, CloseAllClosesUsersFirstAndForcesTheRest) {
  auto below = open(graph, parse("driver=memory,filename=disk,node-name=below"));
  auto top = open(graph, parse("driver=raw,node-name=top,file=below"));
  auto attached = Node::attach(top, "export", {});
  EXPECT_TRUE(succeeded(write(*top, 0, "abc")));
  EXPECT_TRUE(succeeded(graph.close_all()));
  EXPECT_TRUE(graph.nodes().empty());
  EXPECT_TRUE(memory->unflushed().empty());
  EXPECT_EQ(kind_of(write(*top, 0, "x")), ErrorKind::not_found);
}

TEST_F(GraphTest, AttachAndCloseFromManyThreadsLeaveNoUserOnAClosedNode) {
  for (int round = 0; round < 200; ++round) {
    auto node = open(graph, parse("driver=memory,filename=disk,node-name=n"));
    std::atomic<int> closed = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; ++i)
      threads.emplace_back([&] {
        if (auto attached = Node::attach(node, "user", {}); attached) {
          EXPECT_EQ(read(*attached->node(), 0, 1), zeros(1));
        }
      });
    threads.emplace_back([&] {
      while (!graph.close("n").ok())
        std::this_thread::yield();
      ++closed;
    });
    for (std::thread& thread : threads)
      thread.join();
    EXPECT_EQ(closed, 1);
  }
}

} // namespace
} // namespace block
