// Numbers of a command line, and the lines that say what a request did.
#ifndef BLOCK_TOOLS_IO_REPORT_H
#define BLOCK_TOOLS_IO_REPORT_H

#include "block/error.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace tools::io {

// The longest request, in bytes: what fits into a signed 32-bit number of bytes in whole sectors.
constexpr std::uint64_t largest_request = 2147483136;

// An offset or a length; a text that is none is reported on stdout.
std::optional<std::uint64_t> parse_number(const std::string& text);
// A length that a single request may have. `advice` comes after the limit in the message.
std::optional<std::uint64_t> parse_length(const std::string& text, const char* advice = "");
// A pattern byte: 0 to 255 in decimal, hexadecimal (0x) or octal (0).
std::optional<std::byte> parse_pattern(const std::string& text);

struct RequestReport {
  const char* verb = ""; // "read", "wrote", "discard"
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
  std::chrono::duration<double> elapsed{};
  bool machine_readable = false; // -C
};
// Two lines for people, one for machines.
std::string format_report(const RequestReport& report);

// "VERB failed: REASON".
std::string format_failure(const std::string& verb, const block::Error& error);
// "Pattern verification failed ...", or nothing if all `data` is `pattern`. `offset` is for people.
std::string verify_pattern(std::span<const std::byte> data, std::byte pattern,
                           std::uint64_t offset);
// A hex dump, sixteen bytes a line.
std::string format_dump(std::span<const std::byte> data, std::uint64_t offset);

} // namespace tools::io

#endif
