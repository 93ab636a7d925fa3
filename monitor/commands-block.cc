// Handlers: block nodes and their facts.
#include "monitor/command-context.h"
#include "monitor/freed-memory.h"
#include "monitor/node-facts.h"
#include "qapi/commands.h"

#include <sys/stat.h>

namespace qapi {
namespace {

DetectZeroesMode detect_zeroes(block::DetectZeroes mode) {
  switch (mode) {
  case block::DetectZeroes::on:
    return DetectZeroesMode::on;
  case block::DetectZeroes::unmap:
    return DetectZeroesMode::unmap;
  case block::DetectZeroes::unset:
  case block::DetectZeroes::off:
    break;
  }
  return DetectZeroesMode::off;
}

std::optional<std::uint64_t> actual_size(const std::string& filename) {
  struct stat facts {};
  if (filename.empty() || stat(filename.c_str(), &facts) != 0) return std::nullopt;
  return static_cast<std::uint64_t>(facts.st_blocks) * 512;
}

block::Result<ImageInfo> image_info(block::Node& node, bool with_backing) {
  ImageInfo image;
  BLOCK_TRY_ASSIGN(const block::DriverInfo driver, node.get_info());
  BLOCK_TRY_ASSIGN(image.virtual_size, node.co_get_length());
  image.filename = node.filename();
  image.format = node.driver().format_name;
  image.actual_size = actual_size(node.filename());
  if (driver.cluster_size != 0) {
    image.cluster_size = driver.cluster_size;
    image.dirty_flag = driver.dirty;
  }
  if (!driver.backing_filename.empty()) image.backing_filename = driver.backing_filename;
  if (!driver.backing_format.empty()) image.backing_filename_format = driver.backing_format;
  if (!driver.format_specific.empty())
    image.format_specific = {node.driver().format_name, driver.format_specific};
  if (node.backing()) {
    image.full_backing_filename = node.backing()->filename();
    if (with_backing) {
      BLOCK_TRY_ASSIGN(ImageInfo below, image_info(*node.backing(), true));
      image.backing_image = std::make_shared<ImageInfo>(std::move(below));
    }
  }
  return image;
}

std::int64_t backing_depth(const block::Node& node) {
  std::int64_t depth = 0;
  for (const block::Node* below = node.backing(); below; below = below->backing())
    ++depth;
  return depth;
}

block::Result<BlockDeviceInfo> device_info(block::Node& node, bool flat) {
  BlockDeviceInfo device;
  device.file = node.filename();
  device.node_name = node.name();
  device.ro = node.read_only();
  device.drv = node.driver().format_name;
  if (node.backing()) device.backing_file = node.backing()->filename();
  device.backing_file_depth = backing_depth(node);
  device.cache = {true, node.cache_direct(), node.cache_no_flush()};
  device.detect_zeroes = detect_zeroes(node.detect_zeroes());
  BLOCK_TRY_ASSIGN(device.image, image_info(node, !flat));
  BLOCK_TRY_ASSIGN(device.dedup, monitor::dedup_facts(node));
  return device;
}

} // namespace

block::Result<void> qmp_blockdev_add(monitor::CommandContext& context, BlockdevOptions arguments) {
  auto opened = context.graph.open(std::move(arguments), {});
  if (!opened) return std::move(opened).error();
  return {};
}

block::Result<void> qmp_blockdev_del(monitor::CommandContext& context,
                                     BlockdevDelArguments arguments) {
  BLOCK_TRY(monitor::find_node(context.graph, arguments.node_name));
  BLOCK_TRY(context.graph.close(arguments.node_name));
  monitor::return_freed_memory(); // caches and index consist of many small pieces
  return {};
}

block::Result<void> qmp_block_resize(monitor::CommandContext& context,
                                     BlockResizeArguments arguments) {
  BLOCK_TRY_ASSIGN(auto node, monitor::find_node(context.graph, arguments.node_name));
  // Users (exports and parent nodes) are added on this thread only, so none can be added meanwhile.
  if (const std::vector<std::string> users = node->users(); !users.empty())
    return block::Error(block::ErrorKind::busy,
                        "Node '" + node->name() + "' is in use by " + users.front());
  return node->co_truncate(arguments.size);
}

block::Result<std::vector<BlockDeviceInfo>>
qmp_query_named_block_nodes(monitor::CommandContext& context,
                            QueryNamedBlockNodesArguments arguments) {
  std::vector<BlockDeviceInfo> list;
  for (const auto& node : context.graph.nodes()) {
    auto info = device_info(*node, arguments.flat.value_or(false));
    if (!info) return std::move(info).error().context("node '" + node->name() + "'");
    list.push_back(std::move(*info));
  }
  return list;
}

} // namespace qapi
