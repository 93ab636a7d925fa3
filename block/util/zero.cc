// buffer_is_zero: tests three positions first, then the whole buffer.
#include "block/util/zero.h"

#include <cstdint>
#include <cstring>

namespace block {
namespace {

std::uint64_t word_at(const std::byte* from) {
  std::uint64_t word;
  std::memcpy(&word, from, sizeof word);
  return word;
}

// Returns the OR of 256 bytes. It has no branch, so that the compiler can use wide vector
// instructions.
std::uint64_t or_of_chunk(const std::byte* from) {
  std::uint64_t lanes[8] = {};
  for (std::size_t i = 0; i < 256; i += sizeof lanes)
    for (std::size_t lane = 0; lane < 8; ++lane)
      lanes[lane] |= word_at(from + i + lane * 8);
  return (lanes[0] | lanes[1] | lanes[2] | lanes[3]) | (lanes[4] | lanes[5] | lanes[6] | lanes[7]);
}

} // namespace

bool buffer_is_zero(std::span<const std::byte> data) {
  const std::byte* at = data.data();
  std::size_t left = data.size();
  if (left >= 8) {
    // Most content that is not zero differs here: start, middle or end.
    if ((word_at(at) | word_at(at + left / 2 - 4) | word_at(at + left - 8)) != 0) return false;
  }
  for (; left >= 256; at += 256, left -= 256)
    if (or_of_chunk(at) != 0) return false;
  for (; left >= 8; at += 8, left -= 8)
    if (word_at(at) != 0) return false;
  for (; left > 0; ++at, --left)
    if (*at != std::byte{0}) return false;
  return true;
}

} // namespace block
