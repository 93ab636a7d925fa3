// What lies at a place along the chain: through backing files, filters and raw windows.
#include "tests/support/nodes.h"

#include <algorithm>

namespace block {
namespace {

constexpr std::uint64_t kib = 1024;

// "layer": `size` bytes long, of which the bytes from `from` to `to` are data; all else comes from
// the backing file.
struct Layer {
  std::uint64_t size = 0, from = 0, to = 0;
};

Result<void> layer_open(Node& node, Options& options) {
  auto layer = std::make_shared<Layer>();
  BLOCK_TRY_ASSIGN(layer->size, options.take_size("size", 0));
  BLOCK_TRY_ASSIGN(layer->from, options.take_size("from", 0));
  BLOCK_TRY_ASSIGN(layer->to, options.take_size("to", 0));
  node.set_state(layer);
  if (options.contains("backing")) return node.open_child("backing", options, {});
  return {};
}

Result<BlockStatus> layer_status(Node& node, std::uint64_t offset, std::uint64_t bytes) {
  const auto& layer = node.state<Layer>();
  BlockStatus status;
  status.allocated = status.data = offset >= layer.from && offset < layer.to;
  if (status.allocated) status.host_offset = 1000 * kib + offset;
  std::uint64_t end = status.allocated ? layer.to : offset < layer.from ? layer.from : layer.size;
  status.bytes = std::min(bytes, end - offset);
  return status;
}

BlockDriver make_layer_driver() {
  BlockDriver driver;
  driver.format_name = "layer";
  driver.is_protocol = true;
  driver.supports_backing = true;
  driver.open = layer_open;
  driver.co_get_length = [](Node& node) -> Result<std::uint64_t> {
    return node.state<Layer>().size;
  };
  driver.co_readv = [](Node&, std::uint64_t, const IoVector&) { return Result<void>(); };
  driver.co_block_status = layer_status;
  return driver;
}

const BlockDriver layer_driver = make_layer_driver();

class ChainStatusTest : public testing::Test {
protected:
  ChainStatusTest() { DriverRegistry::instance().add(layer_driver); }

  Node& open_layer(const std::string& name, std::uint64_t size, std::uint64_t from,
                   std::uint64_t to, const std::string& backing = "") {
    Options options{{"driver", "layer"},
                    {"node-name", name},
                    {"size", std::to_string(size)},
                    {"from", std::to_string(from)},
                    {"to", std::to_string(to)}};
    if (!backing.empty()) options.set("backing", backing);
    return open_node(std::move(options));
  }
  Node& open_node(Options options) {
    auto opened = graph_.open(std::move(options), {.read_only = true});
    EXPECT_TRUE(succeeded(opened));
    return **opened;
  }

  // The run at an offset, as far as the end of the node.
  static ChainStatus at(Node& node, std::uint64_t offset) {
    auto found = node.co_chain_status(offset, *node.co_get_length() - offset);
    EXPECT_TRUE(succeeded(found));
    return found ? *found : ChainStatus();
  }

  Graph graph_;
};

TEST_F(ChainStatusTest, WhatTheNodeHasItselfIsData) {
  Node& top = open_layer("top", 64 * kib, 0, 16 * kib);
  ChainStatus found = at(top, 4 * kib);
  EXPECT_TRUE(found.status.data);
  EXPECT_EQ(found.status.bytes, 12 * kib);
  EXPECT_EQ(found.depth, 0u);
  EXPECT_EQ(found.layer, &top);
}

TEST_F(ChainStatusTest, AGapShowsTheBackingFileAndEndsWithTheGap) {
  Node& base = open_layer("base", 64 * kib, 0, 64 * kib);
  Node& top = open_layer("top", 64 * kib, 32 * kib, 64 * kib, "base");
  ChainStatus found = at(top, 8 * kib);
  EXPECT_TRUE(found.status.data);
  EXPECT_EQ(found.status.bytes, 24 * kib) << "what lies behind the gap is the upper node's";
  EXPECT_EQ(found.depth, 1u);
  EXPECT_EQ(found.layer, &base);
}

TEST_F(ChainStatusTest, AGapThatNobodyFillsReadsAsZeros) {
  open_layer("base", 64 * kib, 48 * kib, 64 * kib);
  Node& top = open_layer("top", 64 * kib, 0, 0, "base");
  ChainStatus found = at(top, 0);
  EXPECT_FALSE(found.status.allocated);
  EXPECT_FALSE(found.status.data);
  EXPECT_TRUE(found.status.zero);
  EXPECT_EQ(found.status.bytes, 48 * kib);
}

TEST_F(ChainStatusTest, BeyondAShortBackingFileThereAreZeros) {
  open_layer("base", 16 * kib, 0, 16 * kib);
  Node& top = open_layer("top", 64 * kib, 0, 0, "base");
  EXPECT_TRUE(at(top, 8 * kib).status.data);
  EXPECT_EQ(at(top, 8 * kib).status.bytes, 8 * kib);
  ChainStatus beyond = at(top, 16 * kib);
  EXPECT_TRUE(beyond.status.zero);
  EXPECT_FALSE(beyond.status.data);
  EXPECT_EQ(beyond.status.bytes, 48 * kib);
  EXPECT_EQ(beyond.layer, &top);
  EXPECT_EQ(beyond.depth, 0u);
}

TEST_F(ChainStatusTest, ALayerAloneTellsWhatItLeavesToItsBackingFile) {
  open_layer("base", 16 * kib, 0, 16 * kib);
  Node& top = open_layer("top", 64 * kib, 48 * kib, 64 * kib, "base");
  BlockStatus left = *top.co_block_status(8 * kib, 56 * kib);
  EXPECT_FALSE(left.allocated);
  EXPECT_FALSE(left.zero);
  EXPECT_EQ(left.bytes, 8 * kib) << "as far as the backing file reaches";
  BlockStatus beyond = *top.co_block_status(16 * kib, 48 * kib);
  EXPECT_FALSE(beyond.allocated);
  EXPECT_TRUE(beyond.zero);
  EXPECT_EQ(beyond.bytes, 32 * kib);
}

// Nodes that keep nothing themselves: what lies below them, at which distance.
struct Window {
  const char* name;
  Options options;
  std::uint64_t offset;
};

TEST_F(ChainStatusTest, FiltersAndWindowsShowTheChainBelowThem) {
  Node& base = open_layer("base", 64 * kib, 0, 32 * kib);
  Node& top = open_layer("top", 64 * kib, 16 * kib, 24 * kib, "base");
  open_node({{"driver", "null-co"}, {"node-name", "log"}, {"size", "1M"}});
  const Window windows[] = {
      {"blkdebug", {{"driver", "blkdebug"}, {"image", "top"}}, 0},
      {"blkdebug in blocks", {{"driver", "blkdebug"}, {"image", "top"}, {"align", "4096"}}, 0},
      {"blklogwrites", {{"driver", "blklogwrites"}, {"file", "top"}, {"log", "log"}}, 0},
      {"raw", {{"driver", "raw"}, {"file", "top"}}, 0},
      {"raw with offset", {{"driver", "raw"}, {"file", "top"}, {"offset", "8k"}}, 8 * kib},
      {"raw over a filter",
       {{"driver", "raw"},
        {"file.driver", "blkdebug"},
        {"file.image.driver", "raw"},
        {"file.image.offset", "4k"},
        {"file.image.file", "top"},
        {"offset", "4k"}},
       8 * kib},
  };
  for (const Window& window : windows) {
    SCOPED_TRACE(window.name);
    Node& node = open_node(window.options);
    ChainStatus from_base = at(node, 9 * kib - window.offset);
    EXPECT_TRUE(from_base.status.data);
    EXPECT_EQ(from_base.layer, &base);
    EXPECT_EQ(from_base.depth, 1u);
    EXPECT_EQ(from_base.status.host_offset, 1000 * kib + 9 * kib);
    EXPECT_EQ(from_base.status.bytes, 7 * kib);
    ChainStatus own = at(node, 18 * kib - window.offset);
    EXPECT_EQ(own.layer, &top);
    EXPECT_EQ(own.depth, 0u);
    EXPECT_EQ(own.status.host_offset, 1000 * kib + 18 * kib);
    EXPECT_EQ(own.status.bytes, 6 * kib);
    ChainStatus nobodys = at(node, 40 * kib - window.offset);
    EXPECT_TRUE(nobodys.status.zero);
    EXPECT_FALSE(nobodys.status.allocated);
    EXPECT_EQ(nobodys.status.bytes, 24 * kib);
    EXPECT_FALSE(node.co_block_status(9 * kib - window.offset, kib)->allocated);
    EXPECT_TRUE(node.co_block_status(18 * kib - window.offset, kib)->allocated);
    ASSERT_TRUE(succeeded(graph_.close(node.name())));
  }
}

TEST_F(ChainStatusTest, AFilterInTheMiddleOfAChainIsNoLayer) {
  Node& base = open_layer("base", 64 * kib, 0, 64 * kib);
  open_node({{"driver", "blkdebug"}, {"image", "base"}, {"node-name", "filter"}});
  Node& top = open_layer("top", 64 * kib, 0, 0, "filter");
  ChainStatus found = at(top, 0);
  EXPECT_EQ(found.layer, &base);
  EXPECT_EQ(found.depth, 1u);
}

TEST_F(ChainStatusTest, NullTellsWhatItReadsAs) {
  EXPECT_TRUE(at(open_node({{"driver", "null-co"}}), 0).status.zero);
  ChainStatus unknown = at(open_node({{"driver", "null-co"}, {"read-zeroes", "off"}}), 0);
  EXPECT_FALSE(unknown.status.zero) << "it reads as whatever the memory held before";
  EXPECT_TRUE(unknown.status.data);
}

} // namespace
} // namespace block
