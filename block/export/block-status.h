// What guests see of a node's allocation, its backing files included.
#ifndef BLOCK_EXPORT_BLOCK_STATUS_H
#define BLOCK_EXPORT_BLOCK_STATUS_H

#include "block/node.h"

namespace exports {

// The status of what a reader of the node gets at `offset`: from the first node of its backing
// chain that supplies it, or zeros where none does. The answer holds for 1 to `bytes` bytes; the
// range lies within the node.
block::Result<block::BlockStatus> status_in_chain(block::Node& node, std::uint64_t offset,
                                                  std::uint64_t bytes);

} // namespace exports

#endif
