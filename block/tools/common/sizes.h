// Parses and formats sizes in bytes for people.
#ifndef BLOCK_TOOLS_COMMON_SIZES_H
#define BLOCK_TOOLS_COMMON_SIZES_H

#include <cstdint>
#include <string>
#include <string_view>

namespace tools {

// The reason why a size was refused. Programs have a message for each.
enum class SizeFault { none, malformed, out_of_range };

// Parses a size as block::parse_size() does, after optional white space and a plus sign. `largest`:
// in bytes; the default is the largest file offset. Sets `bytes` only if it returns
// SizeFault::none.
SizeFault read_size(std::string_view text, std::uint64_t& bytes, std::uint64_t largest = INT64_MAX);

// Parses a size option of a subcommand. If the text is not a size, prints "Invalid WHAT specified.
// ..." on stderr and returns false.
bool parse_size_option(std::string_view text, const std::string& what, std::uint64_t& bytes);

// Formats with three significant digits: "1.5 MiB", "196 KiB", "0.977 MiB", "0 B".
std::string format_size(std::uint64_t bytes);
// Formats with three decimals, or none for a whole number: "7.507 MiB", "64 KiB", "1000 bytes".
std::string format_exact_size(std::uint64_t bytes);
// The same for a number that need not be whole, such as a rate.
std::string format_amount(double bytes);

} // namespace tools

#endif
