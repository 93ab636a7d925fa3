// Little-endian integers in byte buffers, as Linux stores them.
#ifndef BLOCK_UTIL_LITTLE_ENDIAN_H
#define BLOCK_UTIL_LITTLE_ENDIAN_H

#include "block/util/big-endian.h"

namespace block {

// The buffer must hold sizeof(Integer) bytes at `from`; no alignment needed.
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
