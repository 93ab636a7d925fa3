// Parses numbers and formats reports.
#include "block/tools/io/report.h"

#include "block/tools/common/sizes.h"

#include <algorithm>
#include <cctype>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace tools::io {

std::optional<std::uint64_t> parse_number(const std::string& text) {
  std::uint64_t number = 0;
  switch (read_size(text, number)) {
  case SizeFault::none:
    return number;
  case SizeFault::malformed:
    std::printf("Parsing error: non-numeric argument, or extraneous/unrecognized suffix -- %s\n",
                text.c_str());
    break;
  case SizeFault::out_of_range:
    std::printf("Parsing error: argument too large -- %s\n", text.c_str());
    break;
  }
  return std::nullopt;
}

std::optional<std::uint64_t> parse_length(const std::string& text, const char* advice) {
  std::optional<std::uint64_t> length = parse_number(text);
  if (length && *length > largest_request) {
    std::printf("length cannot exceed %" PRIu64 "%s, given %s\n", largest_request, advice,
                text.c_str());
    return std::nullopt;
  }
  return length;
}

std::optional<std::byte> parse_pattern(const std::string& text) {
  char* end = nullptr;
  errno = 0;
  unsigned long number = std::strtoul(text.c_str(), &end, 0);
  bool digits = !text.empty() && std::isdigit(static_cast<unsigned char>(text[0]));
  if (digits && *end == '\0' && errno == 0 && number <= 255) return static_cast<std::byte>(number);
  std::printf("%s is not a valid pattern byte\n", text.c_str());
  return std::nullopt;
}

std::string format_report(const RequestReport& report) {
  // The clock may be too coarse for the fastest requests. The rate needs a time above 0.
  double seconds = std::max(report.elapsed.count(), 1e-9);
  auto bytes = static_cast<double>(report.bytes);
  auto whole = static_cast<unsigned long>(seconds);
  auto hundredths = static_cast<unsigned>((seconds - static_cast<double>(whole)) * 100);
  char clock[64], text[256];
  std::snprintf(clock, sizeof clock, "%lu:%02lu:%02lu.%02u", whole / 3600, whole / 60 % 60,
                whole % 60, hundredths);
  if (report.machine_readable) {
    std::snprintf(text, sizeof text, "%" PRIu64 ",1,%s,%.3f,%.3f\n", report.bytes, clock,
                  bytes / seconds, 1 / seconds);
    return text;
  }
  if (whole < 60) std::snprintf(clock, sizeof clock, "%02lu.%02u sec", whole, hundredths);
  std::snprintf(text, sizeof text,
                "%s %" PRIu64 "/%" PRIu64 " bytes at offset %" PRIu64 "\n"
                "%s, 1 ops; %s (%s/sec and %.4f ops/sec)\n",
                report.verb, report.bytes, report.bytes, report.offset,
                format_exact_size(report.bytes).c_str(), clock,
                format_amount(bytes / seconds).c_str(), 1 / seconds);
  return text;
}

std::string format_failure(const std::string& verb, const block::Error& error) {
  return verb + " failed: " + std::strerror(error.errno_value()) + "\n";
}

std::string verify_pattern(std::span<const std::byte> data, std::byte pattern,
                           std::uint64_t offset) {
  if (std::ranges::all_of(data, [pattern](std::byte byte) { return byte == pattern; })) return {};
  return "Pattern verification failed at offset " + std::to_string(offset) + ", " +
         std::to_string(data.size()) + " bytes\n";
}

std::string format_dump(std::span<const std::byte> data, std::uint64_t offset) {
  std::string text;
  char piece[32];
  for (std::size_t start = 0; start < data.size(); start += 16) {
    std::span<const std::byte> line =
        data.subspan(start, std::min<std::size_t>(16, data.size() - start));
    std::snprintf(piece, sizeof piece, "%08" PRIx64 ":  ", offset + start);
    text += piece;
    for (std::byte byte : line) {
      std::snprintf(piece, sizeof piece, "%02x ", static_cast<unsigned>(byte));
      text += piece;
    }
    text += " ";
    for (std::byte byte : line) {
      auto character = static_cast<unsigned char>(byte);
      text.push_back(std::isalnum(character) ? static_cast<char>(character) : '.');
    }
    text += "\n";
  }
  return text;
}

} // namespace tools::io
