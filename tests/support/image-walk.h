// Reads an image with an L2 walk that shares no code with the driver.
#ifndef TESTS_SUPPORT_IMAGE_WALK_H
#define TESTS_SUPPORT_IMAGE_WALK_H

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace block {

// `image`: a complete qcow2 file whose metadata was flushed, without a backing file and without
// compressed clusters.

// Returns the owners of each host cluster that several L2 entries name, as ascending numbers of
// guest clusters.
std::vector<std::vector<std::uint64_t>> owners_of_shared_clusters(std::span<const std::byte> image);

// Returns the content of the disk.
std::vector<std::byte> guest_content(std::span<const std::byte> image);

} // namespace block

#endif
