// Forges deduplicated images with much metadata and no data, in a sparse file. The metadata looks
// as it does after writes in guest order, or in random order. Deduplication is paused, so that no
// scan adds reads to those that a test counts.
#ifndef TESTS_SUPPORT_AGED_IMAGE_H
#define TESTS_SUPPORT_AGED_IMAGE_H

#include <cstdint>
#include <string>

namespace block {

struct AgedImage {
  std::uint64_t guest_clusters; // all are allocated and have an entry in the dedup table
  bool shuffled;                // host clusters in random order
  bool crashed;                 // the image is marked dirty and in use
  // After the dedup table is made, this number of L2 entries is exchanged with their neighbours.
  // The same number of table entries then names a wrong first owner.
  std::uint64_t wrong_owners = 0;
};

inline constexpr unsigned aged_cluster_bits = 12;

// Creates the file. Fails the test on an error.
void make_aged_image(const std::string& path, const AgedImage& shape);

} // namespace block

#endif
