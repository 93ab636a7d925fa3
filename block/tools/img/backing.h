// The backing file of an image that is about to be created.
#ifndef BLOCK_TOOLS_IMG_BACKING_H
#define BLOCK_TOOLS_IMG_BACKING_H

#include "block/result.h"

#include <cstdint>
#include <string>

namespace tools::img {

// Opens `backing`, a name relative to the directory of `image`, with the format (empty: probed),
// and returns its length in bytes. To be called before the image is created, because creation
// empties an existing file. Errors: those of opening; invalid_argument if it is the image itself,
// or if no format was given.
block::Result<std::uint64_t> examine_backing(const std::string& image, const std::string& backing,
                                             const std::string& format);
block::Error image_is_its_backing();

} // namespace tools::img

#endif
