// The flags with which an image is opened, on the program's command line and in `open`.
#ifndef BLOCK_TOOLS_IO_OPEN_FLAGS_H
#define BLOCK_TOOLS_IO_OPEN_FLAGS_H

#include "block/tools/io/session.h"

namespace tools::io {

// Each answers false, with a message on stderr, for a mode that does not exist. Discard and aio
// modes are only checked: discards always reach the image, and requests always run on threads.
bool parse_cache_flag(const std::string& text, CacheMode& mode);
bool accept_discard_mode(const std::string& text);
bool accept_aio_mode(const std::string& text);

// Opens; a failure is said on stderr with the image's name.
bool open_and_report(Session& session, OpenRequest request);

} // namespace tools::io

#endif
