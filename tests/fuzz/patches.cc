// Patches: input bytes as changes to metadata.
#include "tests/fuzz/patches.h"

#include "block/endian.h"
#include "block/qcow2-dedup/table/block-layout.h"
#include "block/qcow2/format.h"

#include <algorithm>

namespace fuzz {
namespace {

using block::load_big_endian;
using block::store_big_endian;

// Where the unit number `place` of a part lies; units are counted over all of its regions.
std::uint64_t place_of(const std::vector<Region>& regions, std::size_t unit, std::uint64_t place) {
  std::uint64_t units = 0;
  for (const Region& region : regions)
    units += region.bytes / unit;
  if (units == 0) return regions.front().offset;
  place %= units;
  for (const Region& region : regions) {
    if (place < region.bytes / unit) return region.offset + place * unit;
    place -= region.bytes / unit;
  }
  return regions.front().offset;
}

// A start of a cluster in the file or soon after it, with the flags of L1 and L2 entries now and
// then.
std::uint64_t plausible(const BaseImage& base, std::uint64_t value) {
  std::uint64_t clusters = (base.content.size() >> base.cluster_bits) + 4;
  std::uint64_t entry = (value & 0xffff) % clusters << base.cluster_bits;
  if (value >> 16 & 1) entry |= qcow2::copied_flag;
  if ((value >> 17 & 7) == 7) entry |= qcow2::compressed_flag;
  if ((value >> 20 & 7) == 7) entry |= qcow2::zero_flag;
  if ((value >> 23 & 7) == 7) entry += 65536 * (value >> 26 & 7); // hash blocks within a cluster
  return entry;
}

} // namespace

Bytes patched(const BaseImage& base, std::span<const Part> allowed,
              std::span<const std::uint8_t> input) {
  Bytes content = base.content;
  for (std::size_t count = 0; count < most_changes && input.size() >= change_bytes; ++count) {
    Part part = allowed[input[0] % allowed.size()];
    auto kind = static_cast<ChangeKind>(input[1] % change_kind_count);
    auto place = load_big_endian<std::uint16_t>(reinterpret_cast<const std::byte*>(&input[2]));
    auto value = load_big_endian<std::uint64_t>(reinterpret_cast<const std::byte*>(&input[4]));
    input = input.subspan(change_bytes);
    auto found = base.places.find(part);
    if (found == base.places.end() || found->second.empty()) continue;
    const std::vector<Region>& regions = found->second;
    const bool small = kind == ChangeKind::byte || kind == ChangeKind::bit;
    const bool moves = kind == ChangeKind::copy || kind == ChangeKind::swap;
    // Header fields have 32 bits too; entries of the dedup table are moved as a whole.
    std::size_t unit = small                                                   ? 1
                       : part == Part::header || part == Part::dedup_extension ? 4
                       : moves && part == Part::hash_blocks ? qcow2_dedup::entry_bytes
                                                            : 8;
    std::uint64_t at = place_of(regions, unit, place);
    std::uint64_t other = place_of(regions, unit, value);
    std::size_t reach = std::max<std::size_t>(unit, 8);
    if (std::max(at, other) + reach > content.size()) continue;
    auto moved = [&](std::uint64_t offset) {
      return content.begin() + static_cast<std::ptrdiff_t>(offset);
    };
    switch (kind) {
    case ChangeKind::entry:
      if (unit == 4 && (value >> 32) == 0)
        store_big_endian(&content[at], static_cast<std::uint32_t>(value));
      else
        store_big_endian(&content[at], value);
      break;
    case ChangeKind::cluster:
      store_big_endian(&content[at], plausible(base, value));
      break;
    case ChangeKind::byte:
      content[at] = static_cast<std::byte>(value);
      break;
    case ChangeKind::bit:
      content[at] ^= static_cast<std::byte>(1u << (value & 7));
      break;
    case ChangeKind::copy:
      std::copy_n(Bytes(moved(other), moved(other + unit)).begin(), unit, moved(at));
      break;
    case ChangeKind::swap:
      if (std::max(at, other) - std::min(at, other) >= unit)
        std::swap_ranges(moved(at), moved(at + unit), moved(other));
    }
  }
  return content;
}

std::string change(std::size_t part_index, ChangeKind kind, std::uint16_t place,
                   std::uint64_t value) {
  std::string text(change_bytes, '\0');
  auto* bytes = reinterpret_cast<std::byte*>(text.data());
  bytes[0] = static_cast<std::byte>(part_index);
  bytes[1] = static_cast<std::byte>(kind);
  store_big_endian(bytes + 2, place);
  store_big_endian(bytes + 4, value);
  return text;
}

} // namespace fuzz
