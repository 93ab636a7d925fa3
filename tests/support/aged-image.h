// Forged deduplicated images with much metadata and no data, in a sparse file: as after writes in
// guest order, or in no order. Deduplication is paused, so no scan reads what a test counts.
#ifndef TESTS_SUPPORT_AGED_IMAGE_H
#define TESTS_SUPPORT_AGED_IMAGE_H

#include <cstdint>
#include <string>

namespace block {

struct AgedImage {
  std::uint64_t guest_clusters; // each allocated, and with an entry in the dedup table
  bool shuffled;                // host clusters in random order
  bool crashed;                 // marked dirty and in use
  // So many L2 entries are exchanged with their neighbour's after the table was made: as many
  // entries name a wrong first owner.
  std::uint64_t wrong_owners = 0;
};

inline constexpr unsigned aged_cluster_bits = 12;

// Makes the file, or fails the test.
void make_aged_image(const std::string& path, const AgedImage& shape);

} // namespace block

#endif
