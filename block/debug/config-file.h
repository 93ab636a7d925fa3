// The file that the option "config" of blkdebug names: rules as sections of an ini file.
#ifndef BLOCK_DEBUG_CONFIG_FILE_H
#define BLOCK_DEBUG_CONFIG_FILE_H

#include "block/options.h"

#include <string>

namespace block::debug {

// Turns the sections into numbered rules, in their order. The second "[inject-error]" with `errno =
// "28"` becomes "inject-error.1.errno=28". Errors: those of the file; invalid_argument, with the
// name of the file, for a line that is neither a section, a key with a value, nor a comment.
Result<Options> read_config_file(const std::string& path);

} // namespace block::debug

#endif
