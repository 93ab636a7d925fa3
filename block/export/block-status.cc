// Block status through a chain of backing files.
#include "block/export/block-status.h"

#include <algorithm>

namespace exports {

block::Result<block::BlockStatus> status_in_chain(block::Node& node, std::uint64_t offset,
                                                  std::uint64_t bytes) {
  block::Node* layer = &node;
  for (;;) {
    BLOCK_TRY_ASSIGN(block::BlockStatus status, layer->co_block_status(offset, bytes));
    block::Node* below = layer->backing();
    if (status.allocated || status.zero || !below) return status;
    // Any deeper answer holds no further than the gap in the layers above.
    bytes = std::min(bytes, status.bytes);
    BLOCK_TRY_ASSIGN(std::uint64_t length, below->co_get_length());
    if (offset >= length) {
      block::BlockStatus beyond;
      beyond.bytes = bytes;
      beyond.zero = true;
      return beyond;
    }
    bytes = std::min(bytes, length - offset);
    layer = below;
  }
}

} // namespace exports
