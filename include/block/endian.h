// Integers of a fixed byte order in byte buffers: big-endian, as qcow2 stores them, and
// little-endian, as Linux stores them.
#ifndef BLOCK_ENDIAN_H
#define BLOCK_ENDIAN_H

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

// Integer is an unsigned integer type. The buffer must hold sizeof(Integer) bytes; it needs no
// alignment.
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

template <typename Integer>
Integer load_little_endian(const std::byte* from) {
  return byte_swapped(load_big_endian<Integer>(from));
}

template <typename Integer>
void store_little_endian(std::byte* to, Integer value) {
  store_big_endian(to, byte_swapped(value));
}

} // namespace block

#endif
