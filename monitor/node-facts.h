// Facts of nodes in the schema's types.
#ifndef MONITOR_NODE_FACTS_H
#define MONITOR_NODE_FACTS_H

#include "block/node.h"
#include "qapi/types.h"

namespace monitor {

// A node by its name. Errors: device_not_found.
block::Result<std::shared_ptr<block::Node>> find_node(const block::Graph& graph,
                                                      const std::string& name);

qapi::DedupStatus dedup_status(block::DedupStatus status);
// The figures of a node, or nothing if it is not deduplicated. Errors: the driver's.
block::Result<std::optional<qapi::DedupInfo>> dedup_facts(block::Node& node);

} // namespace monitor

#endif
