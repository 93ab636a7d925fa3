// The stamp of a module file.
#ifndef BLOCK_NODE_MODULE_FILE_H
#define BLOCK_NODE_MODULE_FILE_H

#include "block/result.h"

#include <string>

namespace block {

// Compares the stamp in the file with this library's own before any code of the module runs. The
// module must not even be loaded before, because that runs its static constructors. Errors:
// not_found, invalid_argument (not a module), unsupported (another stamp; the message shows both).
Result<void> check_module_stamp(const std::string& path);

} // namespace block

#endif
