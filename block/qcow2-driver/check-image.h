// Check and trim of an image, for the BlockDriver table; contract there.
#ifndef BLOCK_QCOW2_DRIVER_CHECK_IMAGE_H
#define BLOCK_QCOW2_DRIVER_CHECK_IMAGE_H

#include "block/qcow2-driver/open-image.h"

namespace qcow2_driver {

// Returns the reason why the extension cannot be used; nothing if there is none, or if it can be
// used.
std::optional<block::Error> unusable_extension(OpenImage& state);

Result<block::CheckReport> check(block::Node& node, const block::CheckRequest& request);

Result<std::uint64_t> trim(block::Node& node, const block::Progress& progress);

} // namespace qcow2_driver

#endif
