// Facts of nodes in the schema's types.
#ifndef MONITOR_NODE_FACTS_H
#define MONITOR_NODE_FACTS_H

#include "block/node.h"
#include "qapi/types.h"

namespace monitor {

// Returns the node of that name. Errors: device_not_found.
block::Result<std::shared_ptr<block::Node>> find_node(const block::Graph& graph,
                                                      const std::string& name);

qapi::DedupStatus dedup_status(block::DedupStatus status);
// Returns the figures of a node, or nothing if it is not deduplicated. Errors: those of the driver.
block::Result<std::optional<qapi::DedupInfo>> dedup_facts(block::Node& node);

} // namespace monitor

#endif
