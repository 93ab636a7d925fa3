// Numbers of a command line, and the lines that report a request.
#ifndef BLOCK_TOOLS_IO_REPORT_H
#define BLOCK_TOOLS_IO_REPORT_H

#include "block/error.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace tools::io {

// The longest request in bytes: the largest multiple of 512 that fits into a signed 32-bit number.
constexpr std::uint64_t largest_request = 2147483136;

// Parses an offset or a length. If the text is neither, prints a message on stdout and returns
// empty.
std::optional<std::uint64_t> parse_number(const std::string& text);
// Parses the length of a single request. `advice` follows the limit in the message.
std::optional<std::uint64_t> parse_length(const std::string& text, const char* advice = "");
// Parses a pattern byte: 0 to 255 in decimal, hexadecimal (0x) or octal (0).
std::optional<std::byte> parse_pattern(const std::string& text);

struct RequestReport {
  const char* verb = ""; // "read", "wrote", "discard"
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
  std::chrono::duration<double> elapsed{};
  bool machine_readable = false; // -C
};
// Returns two lines for people, or one with machine_readable.
std::string format_report(const RequestReport& report);

// Returns "VERB failed: REASON".
std::string format_failure(const std::string& verb, const block::Error& error);
// Returns "Pattern verification failed ...", or an empty string if every byte of `data` is
// `pattern`. `offset` is used in the message only.
std::string verify_pattern(std::span<const std::byte> data, std::byte pattern,
                           std::uint64_t offset);
// Returns a hex dump with sixteen bytes per line.
std::string format_dump(std::span<const std::byte> data, std::uint64_t offset);

} // namespace tools::io

#endif
