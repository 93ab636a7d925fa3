// Parses and formats sizes.
#include "block/tools/common/sizes.h"

#include "block/options.h"
#include "block/tools/common/program.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

namespace tools {
namespace {

constexpr std::uint64_t largest_offset = INT64_MAX;

// Returns whether a text that parse_size() refuses has the form of a size. Then the size was too
// large.
bool looks_like_a_size(std::string_view text) {
  bool hex = text.starts_with("0x") || text.starts_with("0X");
  if (hex) text.remove_prefix(2);
  std::size_t digits = text.find_first_not_of(hex ? "0123456789abcdefABCDEF" : "0123456789");
  if (digits == std::string_view::npos) return !text.empty();
  return !hex && digits > 0 && digits + 1 == text.size() &&
         std::string_view("bBkKmMgGtTpPeE").find(text[digits]) != std::string_view::npos;
}

} // namespace

SizeFault read_size(std::string_view text, std::uint64_t& bytes, std::uint64_t largest) {
  // strtoull(), and so the tools of stock QEMU, accept this prefix.
  text.remove_prefix(std::min(text.find_first_not_of(" \t\n\v\f\r"), text.size()));
  if (text.starts_with('+')) text.remove_prefix(1);
  block::Result<std::uint64_t> parsed = block::parse_size(text);
  if (!parsed) return looks_like_a_size(text) ? SizeFault::out_of_range : SizeFault::malformed;
  if (*parsed > largest) return SizeFault::out_of_range;
  bytes = *parsed;
  return SizeFault::none;
}

bool parse_size_option(std::string_view text, const std::string& what, std::uint64_t& bytes) {
  switch (read_size(text, bytes)) {
  case SizeFault::none:
    return true;
  case SizeFault::out_of_range:
    report_error("Invalid " + what + " specified. Must be between 0 and " +
                 std::to_string(largest_offset) + ".");
    return false;
  case SizeFault::malformed:
    break;
  }
  report_error("Invalid " + what + " specified. You may use k, M, G, T, P or E suffixes for");
  report_error("kilobytes, megabytes, gigabytes, terabytes, petabytes and exabytes.");
  return false;
}

std::string format_size(std::uint64_t bytes) {
  static constexpr std::array<const char*, 7> units = {"B",   "KiB", "MiB", "GiB",
                                                       "TiB", "PiB", "EiB"};
  // From 1000 on, the next unit is used, so three significant digits always suffice.
  std::size_t unit = 0;
  auto amount = static_cast<double>(bytes);
  for (; amount >= 1000 && unit + 1 < units.size(); ++unit)
    amount /= 1024;
  char text[64];
  std::snprintf(text, sizeof text, "%.3g %s", amount, units[unit]);
  return text;
}

std::string format_amount(double bytes) {
  static constexpr std::array<const char*, 7> units = {"bytes", "KiB", "MiB", "GiB",
                                                       "TiB",   "PiB", "EiB"};
  std::size_t unit = 0;
  for (; bytes >= 1024 && unit + 1 < units.size(); ++unit)
    bytes /= 1024;
  char text[64];
  int length = unit == 0 && bytes != std::floor(bytes)
                   ? std::snprintf(text, sizeof text, "%f", bytes)
                   : std::snprintf(text, sizeof text, "%.3f", bytes);
  std::string number(text, static_cast<std::size_t>(length));
  if (number.ends_with(".000")) number.resize(number.size() - 4);
  return number + " " + units[unit];
}

std::string format_exact_size(std::uint64_t bytes) {
  return format_amount(static_cast<double>(bytes));
}

} // namespace tools
