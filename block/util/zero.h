// Detects content that is all zeros.
#ifndef BLOCK_UTIL_ZERO_H
#define BLOCK_UTIL_ZERO_H

#include <cstddef>
#include <span>

namespace block {

// Returns true if every byte is zero (also for no bytes). Ordinary content is rejected after a few
// bytes; zeros are confirmed at the speed of memory. Any length and alignment.
bool buffer_is_zero(std::span<const std::byte> data);

} // namespace block

#endif
