// Finds runs of zeros in data that is about to be copied or compared.
#ifndef BLOCK_UTIL_ZERO_RUNS_H
#define BLOCK_UTIL_ZERO_RUNS_H

#include <cstddef>
#include <cstdint>
#include <span>

namespace block {

// Returns the number of zero bytes at the beginning.
std::uint64_t leading_zeros(std::span<const std::byte> data);

// A run of blocks that are all zero, or all not zero.
struct UniformRun {
  std::uint64_t bytes = 0;
  bool zero = false;
};

// Returns the first run of `data`, which is at `offset` of the image. Blocks are `block_bytes` long
// and aligned within the image. The first and the last block of the data may be partial.
UniformRun first_run(std::span<const std::byte> data, std::uint64_t offset,
                     std::uint64_t block_bytes);

} // namespace block

#endif
