// Big-endian integers in byte buffers, as qcow2 stores them.
#ifndef BLOCK_UTIL_BIG_ENDIAN_H
#define BLOCK_UTIL_BIG_ENDIAN_H

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace block {

template <typename Integer>
Integer byte_swapped(Integer value) {
  if constexpr (sizeof(Integer) == 1)
    return value;
  else if constexpr (sizeof(Integer) == 2)
    return static_cast<Integer>(__builtin_bswap16(value));
  else if constexpr (sizeof(Integer) == 4)
    return __builtin_bswap32(value);
  else
    return __builtin_bswap64(value);
}

// The buffer must hold sizeof(Integer) bytes at `from`; no alignment needed.
template <typename Integer>
Integer load_big_endian(const std::byte* from) {
  Integer value;
  std::memcpy(&value, from, sizeof value);
  return std::endian::native == std::endian::little ? byte_swapped(value) : value;
}

template <typename Integer>
void store_big_endian(std::byte* to, Integer value) {
  if constexpr (std::endian::native == std::endian::little) value = byte_swapped(value);
  std::memcpy(to, &value, sizeof value);
}

} // namespace block

#endif
