// The unit in which disks have their length, and in which a power cut tears what is written.
#ifndef BLOCK_UTIL_SECTOR_H
#define BLOCK_UTIL_SECTOR_H

#include <cstdint>

namespace block {

inline constexpr std::uint64_t sector_bytes = 512;

} // namespace block

#endif
