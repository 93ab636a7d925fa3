// Handlers: deduplication of a node.
#include "monitor/command-context.h"
#include "monitor/node-facts.h"
#include "qapi/commands.h"

namespace qapi {

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
      return block::not_deduplicated(*node);
  }
  return list;
}

block::Result<void> qmp_block_pause_dedup(monitor::CommandContext& context,
                                          BlockPauseDedupArguments arguments) {
  BLOCK_TRY_ASSIGN(auto node, monitor::find_node(context.graph, arguments.device));
  return node->pause_dedup();
}

block::Result<void> qmp_block_resume_dedup(monitor::CommandContext& context,
                                           BlockResumeDedupArguments arguments) {
  block::ResumeDedup how{.scan_all = arguments.scan_all.value_or(false),
                         .scan_rate = arguments.scan_rate};
  BLOCK_TRY_ASSIGN(auto node, monitor::find_node(context.graph, arguments.device));
  return node->resume_dedup(how);
}

} // namespace qapi
