// Handlers: counters of the nodes' requests.
#include "monitor/command-context.h"
#include "monitor/node-facts.h"
#include "qapi/commands.h"

#include <set>

namespace qapi {
namespace {

BlockDeviceStats counters(const block::NodeStats& from) {
  BlockDeviceStats to;
  to.rd_bytes = from.read_bytes;
  to.wr_bytes = from.written_bytes;
  to.unmap_bytes = from.discarded_bytes;
  to.zero_bytes = from.zeroed_bytes;
  to.rd_operations = from.read_operations;
  to.wr_operations = from.write_operations;
  to.flush_operations = from.flush_operations;
  to.unmap_operations = from.discard_operations;
  to.zero_operations = from.zero_operations;
  to.failed_operations = from.failed_operations;
  return to;
}

block::Result<BlockStats> stats_of(block::Node& node, bool with_children) {
  BlockStats stats;
  stats.node_name = node.name();
  stats.stats = counters(node.stats());
  BLOCK_TRY_ASSIGN(stats.dedup, monitor::dedup_facts(node));
  if (!with_children) return stats;
  if (node.file()) {
    BLOCK_TRY_ASSIGN(BlockStats below, stats_of(*node.file(), true));
    stats.parent = std::make_shared<BlockStats>(std::move(below));
  }
  if (node.backing()) {
    BLOCK_TRY_ASSIGN(BlockStats below, stats_of(*node.backing(), true));
    stats.backing = std::make_shared<BlockStats>(std::move(below));
  }
  return stats;
}

} // namespace

block::Result<std::vector<BlockStats>> qmp_query_blockstats(monitor::CommandContext& context,
                                                            QueryBlockstatsArguments arguments) {
  const bool every_node = arguments.query_nodes.value_or(false);
  const auto nodes = context.graph.nodes();
  std::set<const block::Node*> children;
  for (const auto& node : nodes)
    for (const block::Node* child : node->children())
      children.insert(child);

  std::vector<BlockStats> list;
  for (const auto& node : nodes) {
    if (!every_node && children.count(node.get()) != 0) continue;
    BLOCK_TRY_ASSIGN(BlockStats stats, stats_of(*node, !every_node));
    list.push_back(std::move(stats));
  }
  return list;
}

} // namespace qapi
