// The walk over L1 and L2.
#include "tests/support/image-walk.h"

#include "block/endian.h"

#include <algorithm>
#include <functional>
#include <map>

namespace block {

namespace {

constexpr std::uint64_t offset_bits = 0x00fffffffffffe00, zero_bit = 1;

class Walk {
public:
  explicit Walk(std::span<const std::byte> image) : image_(image) {}

  std::uint64_t cluster_bytes() const {
    return std::uint64_t{1} << load_big_endian<std::uint32_t>(&image_[20]);
  }
  std::uint64_t guest_bytes() const { return load(24); }
  // Calls `visit` for each L2 entry that names a host cluster.
  void entries(const std::function<void(std::uint64_t guest, std::uint64_t entry)>& visit) const;

private:
  // Returns 0 beyond the end of the file, where reads of the file return zeros.
  std::uint64_t load(std::uint64_t at) const {
    return at + 8 <= image_.size() ? load_big_endian<std::uint64_t>(&image_[at]) : 0;
  }

  std::span<const std::byte> image_;
};

void Walk::entries(
    const std::function<void(std::uint64_t guest, std::uint64_t entry)>& visit) const {
  const auto l1_entries = load_big_endian<std::uint32_t>(&image_[36]);
  const std::uint64_t l1 = load(40), per_l2 = cluster_bytes() / 8;
  for (std::uint64_t i = 0; i < l1_entries; ++i) {
    const std::uint64_t l2 = load(l1 + i * 8) & offset_bits;
    for (std::uint64_t k = 0; l2 != 0 && k < per_l2; ++k)
      if (const std::uint64_t entry = load(l2 + k * 8); (entry & offset_bits) != 0)
        visit(i * per_l2 + k, entry);
  }
}

} // namespace

std::vector<std::vector<std::uint64_t>>
owners_of_shared_clusters(std::span<const std::byte> image) {
  std::map<std::uint64_t, std::vector<std::uint64_t>> owners; // by host offset
  Walk(image).entries([&](std::uint64_t guest, std::uint64_t entry) {
    owners[entry & offset_bits].push_back(guest);
  });
  std::vector<std::vector<std::uint64_t>> shared;
  for (auto& [host, guests] : owners)
    if (guests.size() > 1) shared.push_back(std::move(guests));
  return shared;
}

std::vector<std::byte> guest_content(std::span<const std::byte> image) {
  const Walk walk(image);
  const std::uint64_t bytes = walk.cluster_bytes();
  std::vector<std::byte> content(walk.guest_bytes());
  walk.entries([&](std::uint64_t guest, std::uint64_t entry) {
    const std::uint64_t host = entry & offset_bits, at = guest * bytes;
    if ((entry & zero_bit) != 0 || at >= content.size() || host >= image.size()) return;
    const std::uint64_t length = std::min({bytes, content.size() - at, image.size() - host});
    std::copy_n(&image[host], length, &content[at]);
  });
  return content;
}

} // namespace block
