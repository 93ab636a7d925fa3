// Loads and stores one refcount in the bytes of a refcount block, for every width (section
// "Refcount blocks").
#ifndef BLOCK_QCOW2_CHECK_REFCOUNT_FIELD_H
#define BLOCK_QCOW2_CHECK_REFCOUNT_FIELD_H

#include "block/endian.h"

#include <cstdint>

namespace qcow2 {

// Widths below a byte fill each byte from its least significant bit on.
inline std::uint64_t load_refcount(const std::byte* fields, std::uint64_t index, unsigned order) {
  using block::load_big_endian;
  switch (order) {
  case 3:
    return std::to_integer<std::uint64_t>(fields[index]);
  case 4:
    return load_big_endian<std::uint16_t>(fields + 2 * index);
  case 5:
    return load_big_endian<std::uint32_t>(fields + 4 * index);
  case 6:
    return load_big_endian<std::uint64_t>(fields + 8 * index);
  default: {
    unsigned width = 1u << order;
    auto shift = static_cast<unsigned>(index * width % 8);
    return (std::to_integer<unsigned>(fields[index * width / 8]) >> shift) & ((1u << width) - 1);
  }
  }
}

// `count` must fit.
inline void store_refcount(std::byte* fields, std::uint64_t index, unsigned order,
                           std::uint64_t count) {
  using block::store_big_endian;
  switch (order) {
  case 3:
    fields[index] = static_cast<std::byte>(count);
    return;
  case 4:
    store_big_endian(fields + 2 * index, static_cast<std::uint16_t>(count));
    return;
  case 5:
    store_big_endian(fields + 4 * index, static_cast<std::uint32_t>(count));
    return;
  case 6:
    store_big_endian(fields + 8 * index, count);
    return;
  default: {
    unsigned width = 1u << order;
    auto shift = static_cast<unsigned>(index * width % 8);
    auto mask = static_cast<std::byte>(((1u << width) - 1) << shift);
    std::byte& byte = fields[index * width / 8];
    byte = (byte & ~mask) | static_cast<std::byte>(count << shift);
  }
  }
}

} // namespace qcow2

#endif
