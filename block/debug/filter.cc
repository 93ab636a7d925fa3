// Requests of filters to a child whose length need not be a multiple of the filter's block size.
#include "block/debug/filter.h"

#include <algorithm>

namespace block::debug {
namespace {

// Returns how many bytes of the range the child has.
Result<std::uint64_t> bytes_within(Node& filter, std::uint64_t offset, std::uint64_t bytes) {
  if (filter.limits().request_alignment == 1) return bytes;
  BLOCK_TRY_ASSIGN(const std::uint64_t length, filter.file()->co_get_length());
  return offset < length ? std::min(bytes, length - offset) : 0;
}

using ReadRequest = Result<void> (Node::*)(std::uint64_t, const IoVector&);

Result<void> read_of_child(Node& filter, ReadRequest read, std::uint64_t offset,
                           const IoVector& vector) {
  BLOCK_TRY_ASSIGN(const std::uint64_t within, bytes_within(filter, offset, vector.size()));
  if (within == vector.size()) return (filter.file()->*read)(offset, vector);
  vector.fill(within, vector.size() - within, std::byte{0});
  return (filter.file()->*read)(offset, vector.slice(0, within));
}

} // namespace

Result<void> read_child(Node& filter, std::uint64_t offset, const IoVector& vector) {
  return read_of_child(filter, &Node::co_readv, offset, vector);
}

Result<void> read_medium_of_child(Node& filter, std::uint64_t offset, const IoVector& vector) {
  return read_of_child(filter, &Node::co_read_medium, offset, vector);
}

Result<BlockStatus> status_of_child(Node& filter, std::uint64_t offset, std::uint64_t bytes) {
  BlockStatus status;
  BLOCK_TRY_ASSIGN(status.bytes, bytes_within(filter, offset, bytes));
  status.as_child = true;
  status.host_offset = offset;
  return status;
}

} // namespace block::debug
