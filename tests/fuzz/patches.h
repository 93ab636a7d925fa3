// Input of the structure-aware targets: small changes to a base image's metadata.
#ifndef TESTS_FUZZ_PATCHES_H
#define TESTS_FUZZ_PATCHES_H

#include "tests/fuzz/base-images.h"

namespace fuzz {

// One change is change_bytes of input: part, kind, place (16 bits), value (64 bits). Any bytes are
// some change.
inline constexpr std::size_t change_bytes = 12;
inline constexpr std::size_t most_changes = 24;

enum class ChangeKind : std::uint8_t {
  entry,   // the 64-bit field becomes the value
  cluster, // ... the start of a cluster near the file's content, with flags from the value
  byte,    // one byte
  bit,     // one bit is inverted
  copy,    // an entry of the dedup table, or a field, is copied from another place of the part
  swap,    // the same in both directions
};
inline constexpr std::size_t change_kind_count = 6;

// The image after the changes that `input` spells, in the parts of `allowed` that the image has.
Bytes patched(const BaseImage& base, std::span<const Part> allowed,
              std::span<const std::uint8_t> input);

// The input bytes of one change, for seeds.
std::string change(std::size_t part_index, ChangeKind kind, std::uint16_t place,
                   std::uint64_t value);

} // namespace fuzz

#endif
