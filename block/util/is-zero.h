// Whether memory holds nothing but zero bytes.
#ifndef BLOCK_UTIL_IS_ZERO_H
#define BLOCK_UTIL_IS_ZERO_H

#include <cstddef>
#include <cstring>
#include <span>

namespace block {

inline bool is_zero(std::span<const std::byte> memory) {
  if (memory.empty()) return true;
  // Most data differs at once; then memory that begins with zero and equals itself moved by one
  // byte is all zeros, which lets memcmp do the work at its full width.
  const std::byte* data = memory.data();
  return data[0] == std::byte{0} && data[memory.size() - 1] == std::byte{0} &&
         std::memcmp(data, data + 1, memory.size() - 1) == 0;
}

} // namespace block

#endif
