// Block status along the chain of backing files.
#include "block/tools/common/chain-status.h"

#include <algorithm>

namespace tools {

block::Result<ChainStatus> chain_status(block::Node& node, std::uint64_t offset,
                                        std::uint64_t bytes) {
  ChainStatus found;
  found.layer = &node;
  for (;;) {
    BLOCK_TRY_ASSIGN(found.status, found.layer->co_block_status(offset, bytes));
    found.status.bytes = std::min(found.status.bytes, bytes);
    if (found.status.bytes == 0)
      return block::Error(block::ErrorKind::io,
                          "Node '" + found.layer->name() + "' reports a run of no bytes");
    if (found.status.allocated) return found;
    bytes = found.status.bytes;
    block::Node* backing = found.layer->backing();
    if (!backing) {
      found.status.zero = true;
      found.status.data = false;
      return found;
    }
    BLOCK_TRY_ASSIGN(std::uint64_t length, backing->co_get_length());
    if (offset >= length) {
      found.status.zero = true;
      found.status.data = false;
      return found;
    }
    found.layer = backing;
    ++found.depth;
    bytes = std::min(bytes, length - offset);
  }
}

} // namespace tools
