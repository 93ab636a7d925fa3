// The flags of opening an image, on the command line of the program and in the command `open`.
#ifndef BLOCK_TOOLS_IO_OPEN_FLAGS_H
#define BLOCK_TOOLS_IO_OPEN_FLAGS_H

#include "block/tools/io/session.h"

namespace tools::io {

// Each prints a message on stderr and returns false for an unknown mode. Modes of discard and aio
// are only checked: discards always reach the image, and requests always run on threads.
bool parse_cache_flag(const std::string& text, CacheMode& mode);
bool accept_discard_mode(const std::string& text);
bool accept_aio_mode(const std::string& text);

// Opens the image. On an error, prints it on stderr with the name of the image and returns false.
bool open_and_report(Session& session, OpenRequest request);

} // namespace tools::io

#endif
