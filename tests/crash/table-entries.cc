// The header's extension, the table's L1, its hash blocks.
#include "tests/crash/table-entries.h"

#include "block/endian.h"

#include <algorithm>
#include <optional>

namespace crash {

namespace {

template <typename T>
T load(const Bytes& image, std::uint64_t at) {
  return at + sizeof(T) <= image.size() ? block::load_big_endian<T>(&image[at]) : T{0};
}

// Where the content of the deduplication extension begins.
std::optional<std::uint64_t> extension(const Bytes& image) {
  std::uint64_t at = load<std::uint32_t>(image, 100); // header length
  while (const auto magic = load<std::uint32_t>(image, at)) {
    if (magic == 0xCD8E819B) return at + 8;
    at += 8 + (load<std::uint32_t>(image, at + 4) + 7) / 8 * 8;
  }
  return std::nullopt;
}

} // namespace

bool says_table_is_trusted(const Bytes& image) {
  const std::optional<std::uint64_t> found = extension(image);
  if (!found) return false;
  constexpr std::uint64_t dedup = std::uint64_t{1} << 63, dirty = 1;
  constexpr std::uint8_t in_use = 8;
  const auto incompatible = load<std::uint64_t>(image, 72),
             autoclear = load<std::uint64_t>(image, 88);
  return ((incompatible | autoclear) & dedup) != 0 && (incompatible & dirty) == 0 &&
         (load<std::uint8_t>(image, *found + 13) & in_use) == 0;
}

bool tables_differ(const Bytes& a, const Bytes& b) {
  auto table = [](const Bytes& image, std::uint64_t offset_field, std::uint64_t bytes) {
    const auto offset = load<std::uint64_t>(image, offset_field);
    Bytes content(image.begin() + static_cast<std::ptrdiff_t>(std::min(offset, image.size())),
                  image.begin() +
                      static_cast<std::ptrdiff_t>(std::min(offset + bytes, image.size())));
    return std::pair(offset, std::move(content));
  };
  auto l1 = [&](const Bytes& image) {
    return table(image, 40, std::uint64_t{load<std::uint32_t>(image, 36)} * 8);
  };
  auto refcounts = [&](const Bytes& image) {
    return table(image, 48,
                 std::uint64_t{load<std::uint32_t>(image, 56)} << load<std::uint32_t>(image, 20));
  };
  return l1(a) != l1(b) || refcounts(a) != refcounts(b);
}

std::vector<std::uint64_t> clusters_with_entry(const Bytes& image) {
  constexpr std::uint64_t entry_bytes = 40, entries = 65536 / entry_bytes;
  const std::optional<std::uint64_t> found = extension(image);
  std::vector<std::uint64_t> clusters;
  if (!found) return clusters;
  const auto l1 = load<std::uint64_t>(image, *found);
  const auto blocks = load<std::uint32_t>(image, *found + 8);
  for (std::uint64_t block = 0; block < blocks; ++block) {
    const auto place = load<std::uint64_t>(image, l1 + block * 8);
    for (std::uint64_t slot = 0; place != 0 && slot < entries; ++slot) {
      const std::uint64_t at = place + slot * entry_bytes;
      if (at + entry_bytes > image.size()) break;
      const std::span<const std::byte> entry(&image[at], entry_bytes);
      if (std::ranges::any_of(entry, [](std::byte byte) { return byte != std::byte{0}; }))
        clusters.push_back(block * entries + slot);
    }
  }
  return clusters;
}

} // namespace crash
