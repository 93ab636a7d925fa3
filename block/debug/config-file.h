// The file that blkdebug's option "config" names: rules as sections of an ini file.
#ifndef BLOCK_DEBUG_CONFIG_FILE_H
#define BLOCK_DEBUG_CONFIG_FILE_H

#include "block/options.h"

#include <string>

namespace block::debug {

// Sections become numbered rules in their order: the second "[inject-error]" with `errno = "28"`
// becomes "inject-error.1.errno=28". Errors: those of the file; invalid_argument, naming the file,
// for what is not a section, a key with a value, or a comment.
Result<Options> read_config_file(const std::string& path);

} // namespace block::debug

#endif
