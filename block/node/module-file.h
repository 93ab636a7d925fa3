// The stamp of a module file.
#ifndef BLOCK_NODE_MODULE_FILE_H
#define BLOCK_NODE_MODULE_FILE_H

#include "block/result.h"

#include <string>

namespace block {

// Compares the stamp in the file with this library's own, before anything of the module runs: even
// loading it would run its static constructors. Errors: not_found, invalid_argument (no module),
// unsupported (another stamp; the message shows both).
Result<void> check_module_stamp(const std::string& path);

} // namespace block

#endif
