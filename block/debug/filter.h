// Requests that are the same in filters whose block size exceeds that of child "file".
#ifndef BLOCK_DEBUG_FILTER_H
#define BLOCK_DEBUG_FILTER_H

#include "block/node.h"

namespace block::debug {

// Offsets and lengths are in bytes and multiples of the filter's request_alignment, and offsets lie
// within the filter. Errors are those of the child.

// Reads from the child. The part of the filter's last block beyond the end of the child is zeros.
Result<void> read_child(Node& filter, std::uint64_t offset, const IoVector& vector);
// As read_child(), but with co_read_medium() of the child.
Result<void> read_medium_of_child(Node& filter, std::uint64_t offset, const IoVector& vector);

// Refers to the child for the part of the range that the child has.
Result<BlockStatus> status_of_child(Node& filter, std::uint64_t offset, std::uint64_t bytes);

} // namespace block::debug

#endif
