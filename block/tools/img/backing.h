// The backing file that a new image is to have.
#ifndef BLOCK_TOOLS_IMG_BACKING_H
#define BLOCK_TOOLS_IMG_BACKING_H

#include "block/result.h"

#include <cstdint>
#include <string>

namespace tools::img {

// Opens `backing`, a name relative to the directory of `image`, with the format (empty: probed),
// and returns its length in bytes. Called before the image is made, because making it empties a
// file that is there. Errors: what opening says; invalid_argument if it is the image itself, or if
// no format was given.
block::Result<std::uint64_t> examine_backing(const std::string& image, const std::string& backing,
                                             const std::string& format);
block::Error image_is_its_backing();

} // namespace tools::img

#endif
