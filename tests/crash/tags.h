// Tagged content: every sector a test writes says what it is, so that a mix-up is recognised.
#ifndef TESTS_CRASH_TAGS_H
#define TESTS_CRASH_TAGS_H

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

namespace crash {

// What a sector holds. 0 is a sector of zeros.
using Tag = std::uint64_t;

constexpr std::size_t sector_bytes = 512;
// What tag_of() answers for bytes that no tag has: a torn or foreign sector.
constexpr Tag no_tag = ~Tag{0};

// Content that is at that guest sector alone, in that version.
constexpr Tag unique_tag(std::uint64_t sector, std::uint64_t version) {
  return (version << 24) | (sector + 1);
}
// Content of a common pool, which several clusters hold; `within` is the sector of the cluster.
constexpr Tag common_tag(std::uint64_t number, std::uint64_t within) {
  return (std::uint64_t{1} << 62) | (number << 24) | within;
}

inline std::string describe(Tag tag) {
  if (tag == 0) return "zeros";
  if (tag == no_tag) return "bytes that were never written";
  std::string version = std::to_string((tag & ~(std::uint64_t{1} << 62)) >> 24);
  std::uint64_t low = tag & 0xffffff;
  if (tag >> 62) return "common content " + version + " sector " + std::to_string(low);
  return "content of sector " + std::to_string(low - 1) + " version " + version;
}

inline void fill_sector(Tag tag, std::byte* sector) {
  std::uint64_t word = tag;
  for (std::size_t at = 0; at < sector_bytes; at += sizeof word) {
    std::memcpy(sector + at, &word, sizeof word);
    if (tag != 0) word = word * 6364136223846793005u + 1442695040888963407u;
  }
}

inline Tag tag_of(const std::byte* sector) {
  Tag tag = 0;
  std::memcpy(&tag, sector, sizeof tag);
  std::byte expected[sector_bytes];
  fill_sector(tag, expected);
  return std::memcmp(sector, expected, sector_bytes) == 0 ? tag : no_tag;
}

inline std::vector<std::byte> content_of(std::span<const Tag> tags) {
  std::vector<std::byte> bytes(tags.size() * sector_bytes);
  for (std::size_t i = 0; i < tags.size(); ++i)
    fill_sector(tags[i], bytes.data() + i * sector_bytes);
  return bytes;
}

inline std::vector<Tag> tags_in(std::span<const std::byte> bytes) {
  std::vector<Tag> tags(bytes.size() / sector_bytes);
  for (std::size_t i = 0; i < tags.size(); ++i)
    tags[i] = tag_of(bytes.data() + i * sector_bytes);
  return tags;
}

} // namespace crash

#endif
