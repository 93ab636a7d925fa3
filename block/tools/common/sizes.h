// Sizes in bytes as people write and read them.
#ifndef BLOCK_TOOLS_COMMON_SIZES_H
#define BLOCK_TOOLS_COMMON_SIZES_H

#include <cstdint>
#include <string>
#include <string_view>

namespace tools {

// Why a size could not be read; programs word the two differently.
enum class SizeFault { none, malformed, out_of_range };

// A size as block::parse_size takes it, blanks and a plus sign in front allowed, up to `largest`
// bytes. By default that is what a file offset holds. `bytes` is set only when the answer is none.
SizeFault read_size(std::string_view text, std::uint64_t& bytes, std::uint64_t largest = INT64_MAX);

// A size option of a subcommand; a text that is none is reported on stderr ("Invalid WHAT
// specified. ...") and the answer is false.
bool parse_size_option(std::string_view text, const std::string& what, std::uint64_t& bytes);

// Three significant digits: "1.5 MiB", "196 KiB", "0.977 MiB", "0 B".
std::string format_size(std::uint64_t bytes);
// Three decimals, none for a whole number: "7.507 MiB", "64 KiB", "1000 bytes".
std::string format_exact_size(std::uint64_t bytes);
// The same for a rate or another number that need not be whole.
std::string format_amount(double bytes);

} // namespace tools

#endif
