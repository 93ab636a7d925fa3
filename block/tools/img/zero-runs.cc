// Finding zeros.
#include "block/tools/img/zero-runs.h"

#include <algorithm>
#include <cstring>

namespace tools::img {

bool is_zero(std::span<const std::byte> data) {
  // If the first bytes are zero and each byte equals the one 16 further back, all are zero;
  // memcmp does the comparing at the speed of memory.
  constexpr std::size_t head = 16;
  for (std::size_t i = 0; i < std::min(head, data.size()); ++i)
    if (data[i] != std::byte{0}) return false;
  return data.size() <= head ||
         std::memcmp(data.data(), data.data() + head, data.size() - head) == 0;
}

std::uint64_t leading_zeros(std::span<const std::byte> data) {
  if (is_zero(data)) return data.size();
  return static_cast<std::uint64_t>(
      std::ranges::find_if(data, [](std::byte byte) { return byte != std::byte{0}; }) -
      data.begin());
}

Run first_run(std::span<const std::byte> data, std::uint64_t offset, std::uint64_t block) {
  Run run;
  while (run.bytes < data.size()) {
    std::uint64_t to_boundary = block - (offset + run.bytes) % block;
    std::uint64_t piece = std::min<std::uint64_t>(to_boundary, data.size() - run.bytes);
    bool zero = is_zero(data.subspan(run.bytes, piece));
    if (run.bytes == 0)
      run.zero = zero;
    else if (zero != run.zero)
      break;
    run.bytes += piece;
  }
  return run;
}

} // namespace tools::img
