// Image names as people give them, and the files behind them.
#ifndef BLOCK_TOOLS_COMMON_FILE_NAMES_H
#define BLOCK_TOOLS_COMMON_FILE_NAMES_H

#include "block/result.h"

#include <cstdint>
#include <optional>
#include <string>

namespace tools {

bool is_json_name(const std::string& name); // begins "json:"

// Errors: a name that begins with a protocol for which there is no driver.
block::Result<void> check_protocol(const std::string& name);

// Bytes that a file occupies on its file system; empty if the file cannot be examined.
std::optional<std::uint64_t> allocated_bytes(const std::string& path);
// Length of a file in bytes; empty if it cannot be examined.
std::optional<std::uint64_t> file_length(const std::string& path);

} // namespace tools

#endif
