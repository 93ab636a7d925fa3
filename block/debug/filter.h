// What filters do that have larger blocks than their child "file" need have.
#ifndef BLOCK_DEBUG_FILTER_H
#define BLOCK_DEBUG_FILTER_H

#include "block/node.h"

namespace block::debug {

// Offsets and lengths are bytes, multiples of the filter's request_alignment, and begin within it.
// Errors are the child's.

// Reads from the child; what lies beyond its end, in the last block of the filter, are zeros.
Result<void> read_child(Node& filter, std::uint64_t offset, const IoVector& vector);
// The same of what the child's medium holds.
Result<void> read_medium_of_child(Node& filter, std::uint64_t offset, const IoVector& vector);

// Leaves the answer to the child, as far as that reaches.
Result<BlockStatus> status_of_child(Node& filter, std::uint64_t offset, std::uint64_t bytes);

bool child_reads_as_zeros_when_new(Node& filter);

} // namespace block::debug

#endif
