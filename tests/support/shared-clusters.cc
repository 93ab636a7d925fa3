// The walk over L1 and L2.
#include "tests/support/shared-clusters.h"

#include "block/util/big-endian.h"

#include <map>

namespace block {

std::vector<std::vector<std::uint64_t>>
owners_of_shared_clusters(std::span<const std::byte> image) {
  constexpr std::uint64_t offset_bits = 0x00fffffffffffe00, compressed = std::uint64_t{1} << 62;
  // Zero beyond the end of the file, as the file reads there.
  auto load = [&](std::uint64_t at) {
    return at + 8 <= image.size() ? load_big_endian<std::uint64_t>(&image[at]) : 0;
  };
  const auto cluster_bits = load_big_endian<std::uint32_t>(&image[20]);
  const auto l1_entries = load_big_endian<std::uint32_t>(&image[36]);
  const std::uint64_t l1 = load(40), per_l2 = (std::uint64_t{1} << cluster_bits) / 8;
  std::map<std::uint64_t, std::vector<std::uint64_t>> owners; // by host offset
  for (std::uint64_t i = 0; i < l1_entries; ++i) {
    const std::uint64_t l2 = load(l1 + i * 8) & offset_bits;
    for (std::uint64_t k = 0; l2 != 0 && k < per_l2; ++k) {
      const std::uint64_t entry = load(l2 + k * 8);
      if ((entry & offset_bits) != 0 && (entry & compressed) == 0)
        owners[entry & offset_bits].push_back(i * per_l2 + k);
    }
  }
  std::vector<std::vector<std::uint64_t>> shared;
  for (auto& [host, guests] : owners)
    if (guests.size() > 1) shared.push_back(std::move(guests));
  return shared;
}

} // namespace block
