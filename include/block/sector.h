// The unit of disk lengths, and the unit in which a power cut tears a write.
#ifndef BLOCK_SECTOR_H
#define BLOCK_SECTOR_H

#include <cstdint>

namespace block {

// Bytes.
inline constexpr std::uint64_t sector_bytes = 512;

} // namespace block

#endif
