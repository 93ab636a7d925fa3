// What O_DIRECT asks of requests.
#ifndef BLOCK_FILE_DIRECT_H
#define BLOCK_FILE_DIRECT_H

#include <cstdint>

namespace block {

// Bytes that offsets, lengths and memory must be multiples of; 0 if the system says that this file
// is read through the page cache all the same. `is_device`: a block device.
std::uint32_t direct_alignment(int descriptor, bool is_device);

} // namespace block

#endif
