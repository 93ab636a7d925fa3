// Block status through backing files, on a driver that allocates in the first half of its disk.
#include "block/export/block-status.h"

#include "block/graph.h"

#include <algorithm>
#include <gtest/gtest.h>

namespace exports {
namespace {

constexpr std::uint64_t kib = 1024;

// "layer": `size` bytes long, of which the bytes from `from` to `to` are data; all else comes from
// the backing file.
struct Layer {
  std::uint64_t size = 0, from = 0, to = 0;
};

block::Result<void> open_layer(block::Node& node, block::Options& options) {
  auto layer = std::make_shared<Layer>();
  BLOCK_TRY_ASSIGN(layer->size, options.take_size("size", 0));
  BLOCK_TRY_ASSIGN(layer->from, options.take_size("from", 0));
  BLOCK_TRY_ASSIGN(layer->to, options.take_size("to", 0));
  node.set_state(layer);
  if (options.contains("backing")) return node.open_child("backing", options, {});
  return {};
}

block::Result<block::BlockStatus> layer_status(block::Node& node, std::uint64_t offset,
                                               std::uint64_t bytes) {
  const auto& layer = node.state<Layer>();
  block::BlockStatus status;
  status.allocated = status.data = offset >= layer.from && offset < layer.to;
  std::uint64_t end = status.allocated ? layer.to : offset < layer.from ? layer.from : layer.size;
  status.bytes = std::min(bytes, end - offset);
  return status;
}

block::BlockDriver make_layer_driver() {
  block::BlockDriver driver;
  driver.format_name = "layer";
  driver.is_protocol = true;
  driver.supports_backing = true;
  driver.open = open_layer;
  driver.co_get_length = [](block::Node& node) -> block::Result<std::uint64_t> {
    return node.state<Layer>().size;
  };
  driver.co_readv = [](block::Node&, std::uint64_t, const block::IoVector&) {
    return block::Result<void>();
  };
  driver.co_block_status = layer_status;
  return driver;
}

const block::BlockDriver layer_driver = make_layer_driver();

class BlockStatusTest : public testing::Test {
protected:
  BlockStatusTest() { block::DriverRegistry::instance().add(layer_driver); }

  block::Node& open(const std::string& name, std::uint64_t size, std::uint64_t from,
                    std::uint64_t to, const std::string& backing = "") {
    block::Options options{{"driver", "layer"},
                           {"node-name", name},
                           {"size", std::to_string(size)},
                           {"from", std::to_string(from)},
                           {"to", std::to_string(to)}};
    if (!backing.empty()) options.set("backing", backing);
    auto opened = graph_.open(options, {.read_only = true});
    EXPECT_TRUE(opened.ok()) << (opened.ok() ? "" : opened.error().message());
    return **opened;
  }

  block::Graph graph_;
};

TEST_F(BlockStatusTest, WhatTheNodeHasItselfIsData) {
  block::Node& top = open("top", 64 * kib, 0, 16 * kib);
  auto status = status_in_chain(top, 4 * kib, 60 * kib);
  ASSERT_TRUE(status.ok());
  EXPECT_TRUE(status->data);
  EXPECT_EQ(status->bytes, 12 * kib);
}

TEST_F(BlockStatusTest, AGapShowsTheBackingFileAndEndsWithTheGap) {
  open("base", 64 * kib, 0, 64 * kib);
  block::Node& top = open("top", 64 * kib, 32 * kib, 64 * kib, "base");
  auto status = status_in_chain(top, 8 * kib, 56 * kib);
  ASSERT_TRUE(status.ok());
  EXPECT_TRUE(status->data);
  EXPECT_EQ(status->bytes, 24 * kib) << "what lies behind the gap is the upper node's";
}

TEST_F(BlockStatusTest, AGapThatNobodyFillsIsNoData) {
  open("base", 64 * kib, 48 * kib, 64 * kib);
  block::Node& top = open("top", 64 * kib, 0, 0, "base");
  auto status = status_in_chain(top, 0, 64 * kib);
  ASSERT_TRUE(status.ok());
  EXPECT_FALSE(status->data);
  EXPECT_EQ(status->bytes, 48 * kib);
}

TEST_F(BlockStatusTest, BeyondAShortBackingFileThereAreZeros) {
  open("base", 16 * kib, 0, 16 * kib);
  block::Node& top = open("top", 64 * kib, 0, 0, "base");
  auto inside = status_in_chain(top, 8 * kib, 56 * kib);
  ASSERT_TRUE(inside.ok());
  EXPECT_TRUE(inside->data);
  EXPECT_EQ(inside->bytes, 8 * kib);
  auto beyond = status_in_chain(top, 16 * kib, 48 * kib);
  ASSERT_TRUE(beyond.ok());
  EXPECT_TRUE(beyond->zero);
  EXPECT_FALSE(beyond->data);
  EXPECT_EQ(beyond->bytes, 48 * kib);
}

} // namespace
} // namespace exports
