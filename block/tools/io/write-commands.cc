// The commands write and writev.
#include "block/tools/io/command.h"
#include "block/tools/io/report.h"
#include "block/tools/io/request.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <fstream>

namespace tools::io {
namespace {

// Written if the command names no pattern or file.
constexpr std::byte default_pattern{0xcd};

// Fills the buffer with repetitions of the file's content. On an error, prints a message on stdout
// and returns false.
bool fill_from_file(const std::string& path, block::AlignedBuffer& buffer) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    std::printf("%s: %s\n", path.c_str(), std::strerror(errno));
    return false;
  }
  file.read(reinterpret_cast<char*>(buffer.data()), static_cast<std::streamsize>(buffer.size()));
  auto bytes = static_cast<std::size_t>(file.gcount());
  if (bytes == 0 && buffer.size() != 0) {
    std::printf("%s: file is empty or cannot be read\n", path.c_str());
    return false;
  }
  for (std::size_t done = bytes; done < buffer.size(); done += bytes)
    std::memcpy(buffer.data() + done, buffer.data(), std::min(bytes, buffer.size() - done));
  return true;
}

bool fill(const Flags& flags, block::AlignedBuffer& buffer) {
  if (flags.has('s')) return fill_from_file(flags.value('s'), buffer);
  std::optional<std::byte> pattern = default_pattern;
  if (flags.has('P')) pattern = parse_pattern(flags.value('P'));
  if (pattern) std::ranges::fill(buffer.span(), *pattern);
  return pattern.has_value();
}

bool report_write(const Command& command, const Flags& flags, const Range& range,
                  const block::Result<void>& written, std::chrono::duration<double> elapsed) {
  if (!written) {
    std::fputs(format_failure(command.name, written.error()).c_str(), stdout);
    return false;
  }
  if (flags.has('q')) return true;
  RequestReport report{"wrote", range.offset, range.bytes, elapsed, flags.has('C')};
  std::fputs(format_report(report).c_str(), stdout);
  return true;
}

// Returns whether the flags of write are compatible. If not, prints a message.
bool check_flags(const Flags& flags) {
  const char* complaint = nullptr;
  if (flags.has('b'))
    complaint = "VM state is not supported";
  else if (flags.has('c'))
    complaint = "compressed writes are not supported";
  else if (flags.has('n') && !flags.has('z'))
    complaint = "-n requires -z to be specified";
  else if (flags.has('u') && !flags.has('z'))
    complaint = "-u requires -z to be specified";
  else if (flags.has('z') + flags.has('P') + flags.has('s') > 1)
    complaint = "Only one of -z, -P, and -s can be specified at the same time";
  if (complaint) std::printf("%s\n", complaint);
  return complaint == nullptr;
}

bool write(Session& session, const Command& command, const Words& words) {
  std::optional<Flags> flags = Flags::parse(command, words, "bcCfnpP:qrs:uz");
  if (!flags) return false;
  if (flags->operands().size() != 2) {
    print_usage(command);
    return false;
  }
  if (!check_flags(*flags)) return false;
  std::optional<std::uint64_t> offset = parse_number(flags->operands()[0]);
  if (!offset) return false;
  // With -n no data is written, so any length is allowed.
  std::optional<std::uint64_t> length = flags->has('n')
                                            ? parse_number(flags->operands()[1])
                                            : parse_length(flags->operands()[1], " without -n");
  if (!length) return false;
  Range range{*offset, *length, {*length}};

  block::AlignedBuffer buffer(flags->has('z') ? 0 : range.bytes);
  if (!flags->has('z') && !fill(*flags, buffer)) return false;
  auto start = std::chrono::steady_clock::now();
  block::Result<void> written = flags->has('z')
                                    ? zero_range(session, range.offset, range.bytes,
                                                 {.fua = flags->has('f'),
                                                  .may_unmap = flags->has('u'),
                                                  .no_fallback = flags->has('n')})
                                    : write_range(session, range, buffer, flags->has('f'));
  return report_write(command, *flags, range, written, std::chrono::steady_clock::now() - start);
}

bool writev(Session& session, const Command& command, const Words& words) {
  std::optional<Flags> flags = Flags::parse(command, words, "CfP:qr");
  if (!flags) return false;
  const Words& operands = flags->operands();
  if (operands.size() < 2) {
    print_usage(command);
    return false;
  }
  std::optional<Range> range = parse_range(operands[0], &operands[1], operands.size() - 1);
  if (!range) return false;
  block::AlignedBuffer buffer(range->bytes);
  if (!fill(*flags, buffer)) return false;
  auto start = std::chrono::steady_clock::now();
  block::Result<void> written = write_range(session, *range, buffer, flags->has('f'));
  return report_write(command, *flags, *range, written, std::chrono::steady_clock::now() - start);
}

constexpr std::array commands = {
    Command{"write", "w", 2, -1, true, true, "[-Cfnpquz] [-P PATTERN | -s FILE] OFFSET LENGTH",
            "writes a range of bytes", write},
    Command{"writev", nullptr, 2, -1, true, true, "[-Cfq] [-P PATTERN] OFFSET LENGTH [LENGTH]...",
            "writes a range of bytes from a vector of buffers", writev},
};

} // namespace

std::span<const Command> write_commands() {
  return commands;
}

} // namespace tools::io
