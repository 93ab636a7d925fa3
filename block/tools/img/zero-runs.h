// Finding zeros in data that is about to be copied or compared.
#ifndef BLOCK_TOOLS_IMG_ZERO_RUNS_H
#define BLOCK_TOOLS_IMG_ZERO_RUNS_H

#include <cstddef>
#include <cstdint>
#include <span>

namespace tools::img {

// How many bytes at the beginning are zero.
std::uint64_t leading_zeros(std::span<const std::byte> data);

// A run of blocks that are all zero, or all not.
struct Run {
  std::uint64_t bytes = 0;
  bool zero = false;
};

// The first run of `data`, which lies at `offset` of the image. Blocks are `block` bytes and
// aligned within the image; the first and the last of the data may be cut.
Run first_run(std::span<const std::byte> data, std::uint64_t offset, std::uint64_t block);

} // namespace tools::img

#endif
