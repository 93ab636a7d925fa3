// The alignment that O_DIRECT requires of requests.
#ifndef BLOCK_FILE_DIRECT_H
#define BLOCK_FILE_DIRECT_H

#include <cstdint>

namespace block {

// Returns the number of bytes of which offsets, lengths and memory addresses must be multiples.
// Returns 0 if the kernel reports that it reads this file through the page cache in spite of
// O_DIRECT. `is_device`: the descriptor is a block device.
std::uint32_t direct_alignment(int descriptor, bool is_device);

} // namespace block

#endif
