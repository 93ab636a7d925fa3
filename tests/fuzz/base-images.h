// Small valid images made by our own driver, with the places of their metadata: what
// structure-aware targets damage, and where the seeds come from.
#ifndef TESTS_FUZZ_BASE_IMAGES_H
#define TESTS_FUZZ_BASE_IMAGES_H

#include "tests/fuzz/hostile-image.h"

#include <map>
#include <span>

namespace fuzz {

// A part of the file, in bytes.
struct Region {
  std::uint64_t offset;
  std::uint64_t bytes;
};

enum class Part : std::uint8_t {
  header,
  l1,
  l2,
  refcount_table,
  refcount_blocks,
  dedup_extension,
  dedup_table,
  hash_blocks,
};
inline constexpr std::size_t part_count = 8;

struct BaseImage {
  std::string name;
  Bytes content;
  unsigned cluster_bits = 0;
  std::string guest;                          // what the guest's disk holds
  std::map<Part, std::vector<Region>> places; // a part that the image lacks has none
};

// Made once, at the first call. Those without deduplication come first.
const std::vector<BaseImage>& base_images();
// Of these, the deduplicated ones.
std::span<const BaseImage> dedup_images();

} // namespace fuzz

#endif
