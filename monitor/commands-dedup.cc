// Handlers: deduplication of a node.
#include "monitor/command-context.h"
#include "monitor/node-facts.h"
#include "qapi/commands.h"

namespace qapi {
namespace {

// Scripts test this message; the earlier patch series for QEMU returned it.
block::Error not_deduplicated(const std::string& device) {
  return block::Error(block::ErrorKind::not_dedup, "Device '" + device + "' is not deduplicated");
}

template <typename Action>
block::Result<void> control(monitor::CommandContext& context, const std::string& device,
                            Action action) {
  BLOCK_TRY_ASSIGN(auto node, monitor::find_node(context.graph, device));
  block::Result<void> done = action(*node);
  if (!done && done.error().kind() == block::ErrorKind::not_dedup) return not_deduplicated(device);
  return done;
}

} // namespace

block::Result<std::vector<DedupNodeInfo>> qmp_query_dedup(monitor::CommandContext& context,
                                                          QueryDedupArguments arguments) {
  std::vector<std::shared_ptr<block::Node>> nodes = context.graph.nodes();
  if (arguments.device) {
    BLOCK_TRY_ASSIGN(auto node, monitor::find_node(context.graph, *arguments.device));
    nodes = {node};
  }
  std::vector<DedupNodeInfo> list;
  for (const auto& node : nodes) {
    BLOCK_TRY_ASSIGN(auto facts, monitor::dedup_facts(*node));
    if (facts)
      list.push_back({node->name(), std::move(*facts)});
    else if (arguments.device)
      return not_deduplicated(*arguments.device);
  }
  return list;
}

block::Result<void> qmp_block_pause_dedup(monitor::CommandContext& context,
                                          BlockPauseDedupArguments arguments) {
  return control(context, arguments.device, [](block::Node& node) { return node.pause_dedup(); });
}

block::Result<void> qmp_block_resume_dedup(monitor::CommandContext& context,
                                           BlockResumeDedupArguments arguments) {
  block::ResumeDedup how{.scan_all = arguments.scan_all.value_or(false),
                         .scan_rate = arguments.scan_rate};
  return control(context, arguments.device,
                 [&](block::Node& node) { return node.resume_dedup(how); });
}

} // namespace qapi
