// Finds runs of zeros.
#include "block/util/zero-runs.h"

#include "block/util/zero.h"

#include <algorithm>

namespace block {

std::uint64_t leading_zeros(std::span<const std::byte> data) {
  if (buffer_is_zero(data)) return data.size();
  return static_cast<std::uint64_t>(
      std::ranges::find_if(data, [](std::byte byte) { return byte != std::byte{0}; }) -
      data.begin());
}

UniformRun first_run(std::span<const std::byte> data, std::uint64_t offset,
                     std::uint64_t block_bytes) {
  UniformRun run;
  while (run.bytes < data.size()) {
    std::uint64_t to_boundary = block_bytes - (offset + run.bytes) % block_bytes;
    std::uint64_t piece = std::min<std::uint64_t>(to_boundary, data.size() - run.bytes);
    bool zero = buffer_is_zero(data.subspan(run.bytes, piece));
    if (run.bytes == 0)
      run.zero = zero;
    else if (zero != run.zero)
      break;
    run.bytes += piece;
  }
  return run;
}

} // namespace block
