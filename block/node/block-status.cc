// The status of a run of a node: the result of one driver, and the way down to the layer that
// supplies the content.
#include "block/node/inner.h"

#include <algorithm>

namespace block {

// Returns the status from this node's driver alone, for any alignment.
Result<BlockStatus> Node::Inner::driver_block_status(std::uint64_t offset, std::uint64_t bytes) {
  BLOCK_TRY(check_range(offset, bytes, "examine"));
  if (bytes == 0) return Error(ErrorKind::invalid_argument, "block status of an empty range");
  if (!driver_->co_block_status) {
    BlockStatus all_data;
    all_data.bytes = bytes;
    all_data.allocated = all_data.data = true;
    if (driver_->is_protocol || file()) all_data.host_offset = offset;
    return all_data;
  }
  const std::uint64_t align = limits_.request_alignment;
  const std::uint64_t begin = offset / align * align;
  const std::uint64_t end = (offset + bytes + align - 1) / align * align;
  BLOCK_TRY_ASSIGN(BlockStatus status,
                   call("co_block_status", driver_->co_block_status, begin, end - begin));
  if constexpr (driver_answers_are_checked)
    expect_no_fault(fault_of(status, end - begin, *this), "co_block_status", *this);
  const std::uint64_t lead = offset - begin;
  if (status.bytes <= lead)
    return Error(ErrorKind::io, "Node '" + name_ + "': driver gave an empty block status");
  status.bytes = std::min(status.bytes - lead, bytes);
  if (status.host_offset) *status.host_offset += lead;
  return status;
}

Result<ChainStatus> Node::Inner::find_status(std::uint64_t offset, std::uint64_t bytes,
                                             BackingFiles backing) {
  ChainStatus found;
  found.layer = this;
  for (;;) {
    BLOCK_TRY_ASSIGN(found.status, of(*found.layer).driver_block_status(offset, bytes));
    bytes = found.status.bytes; // the run cannot be longer in a lower layer than in those above it
    if (found.status.as_child) {
      offset = found.status.host_offset.value_or(offset);
      found.layer = found.layer->file();
      continue;
    }
    if (found.status.allocated) return found;
    Node* below = found.layer->backing();
    std::uint64_t below_end = 0;
    if (below) {
      BLOCK_TRY_ASSIGN(below_end, below->co_get_length());
    }
    if (offset >= below_end) {
      found.status.zero = true;
      return found;
    }
    bytes = std::min(bytes, below_end - offset);
    if (backing == BackingFiles::left_out) {
      found.status.bytes = bytes;
      return found;
    }
    found.layer = below;
    ++found.depth;
  }
}

Result<ChainStatus> Node::co_chain_status(std::uint64_t offset, std::uint64_t bytes) {
  return Inner::of(*this).find_status(offset, bytes, Inner::BackingFiles::followed);
}

Result<BlockStatus> Node::co_block_status(std::uint64_t offset, std::uint64_t bytes) {
  BLOCK_TRY_ASSIGN(ChainStatus found,
                   Inner::of(*this).find_status(offset, bytes, Inner::BackingFiles::left_out));
  return found.status;
}

} // namespace block
