// Where the content of a range comes from, along the chain of backing files.
#ifndef BLOCK_TOOLS_COMMON_CHAIN_STATUS_H
#define BLOCK_TOOLS_COMMON_CHAIN_STATUS_H

#include "block/node.h"

namespace tools {

struct ChainStatus {
  block::BlockStatus status; // of the layer that supplies the content; allocated = some layer does
  unsigned depth = 0;        // 0 = the image itself, 1 = its backing file, ...
  block::Node* layer = nullptr; // the node that supplies it, or the last one asked
};

// The first run of [offset, offset + bytes), which lies within the node: status.bytes (never 0)
// says how long it is. What no layer has allocated reads as zeros, and so does what lies beyond the
// end of a short backing file; that is then found at the layer above it.
block::Result<ChainStatus> chain_status(block::Node& node, std::uint64_t offset,
                                        std::uint64_t bytes);

} // namespace tools

#endif
