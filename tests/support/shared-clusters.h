// Finds the sharing in an image by its bytes alone: an L2 walk that shares no code with the driver.
#ifndef TESTS_SUPPORT_SHARED_CLUSTERS_H
#define TESTS_SUPPORT_SHARED_CLUSTERS_H

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace block {

// The owners of each host cluster that several L2 entries name: numbers of guest clusters,
// ascending. `image` is a whole qcow2 file whose metadata was flushed. Compressed clusters are left
// out.
std::vector<std::vector<std::uint64_t>> owners_of_shared_clusters(std::span<const std::byte> image);

} // namespace block

#endif
