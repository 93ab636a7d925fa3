// Names of images on a command line, and the files behind them.
#ifndef BLOCK_TOOLS_COMMON_FILE_NAMES_H
#define BLOCK_TOOLS_COMMON_FILE_NAMES_H

#include "block/result.h"

#include <cstdint>
#include <optional>
#include <string>

namespace tools {

bool is_json_name(const std::string& name); // begins with "json:"

// Returns an error if the name begins with a protocol for which there is no driver.
block::Result<void> check_protocol(const std::string& name);

// Returns the bytes that a file occupies on its file system, or empty if stat() fails.
std::optional<std::uint64_t> allocated_bytes(const std::string& path);
// Returns the length of a file in bytes, or empty if stat() fails.
std::optional<std::uint64_t> file_length(const std::string& path);

} // namespace tools

#endif
