// The commands read and readv.
#include "block/tools/io/command.h"
#include "block/tools/io/report.h"
#include "block/tools/io/request.h"

#include <array>
#include <cstdio>

namespace tools::io {
namespace {

// The expected data: `pattern` in [start, start + bytes) of the data that was read.
struct Expectation {
  std::byte pattern{0};
  std::uint64_t start = 0;
  std::uint64_t bytes = 0;
};

// Takes -P, -s and -l for a read of `bytes` bytes. If they are invalid, prints a message and
// returns false.
bool parse_expectation(const Command& command, const Flags& flags, std::uint64_t bytes,
                       std::optional<Expectation>& expectation) {
  if (!flags.has('P')) {
    if (!flags.has('s') && !flags.has('l')) return true;
    print_usage(command);
    return false;
  }
  std::optional<std::byte> pattern = parse_pattern(flags.value('P'));
  if (!pattern) return false;
  Expectation expected{*pattern, 0, bytes};
  if (flags.has('s')) {
    std::optional<std::uint64_t> start = parse_number(flags.value('s'));
    if (!start) return false;
    expected.start = *start;
  }
  std::uint64_t rest = expected.start < bytes ? bytes - expected.start : 0;
  expected.bytes = rest;
  if (flags.has('l')) {
    std::optional<std::uint64_t> length = parse_number(flags.value('l'));
    if (!length) return false;
    expected.bytes = *length;
  }
  if (expected.start > bytes || expected.bytes > rest) {
    std::printf("pattern verification range exceeds end of read data\n");
    return false;
  }
  expectation = expected;
  return true;
}

bool read_and_report(Session& session, const Command& command, const Flags& flags,
                     const Range& range) {
  std::optional<Expectation> expectation;
  if (!parse_expectation(command, flags, range.bytes, expectation)) return false;
  block::AlignedBuffer buffer(range.bytes);
  auto start = std::chrono::steady_clock::now();
  block::Result<void> read = read_range(session, range, buffer);
  std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  if (!read) {
    std::fputs(format_failure(command.name, read.error()).c_str(), stdout);
    return false;
  }
  std::string mismatch;
  if (expectation)
    mismatch = verify_pattern(buffer.span().subspan(expectation->start, expectation->bytes),
                              expectation->pattern, range.offset + expectation->start);
  std::fputs(mismatch.c_str(), stdout);
  if (flags.has('q')) return mismatch.empty();
  if (flags.has('v')) std::fputs(format_dump(buffer.span(), range.offset).c_str(), stdout);
  RequestReport report{"read", range.offset, range.bytes, elapsed, flags.has('C')};
  std::fputs(format_report(report).c_str(), stdout);
  return mismatch.empty();
}

bool read(Session& session, const Command& command, const Words& words) {
  std::optional<Flags> flags = Flags::parse(command, words, "bCl:pP:qrs:v");
  if (!flags) return false;
  if (flags->has('b')) {
    std::printf("VM state is not supported\n");
    return false;
  }
  if (flags->operands().size() != 2) {
    print_usage(command);
    return false;
  }
  std::optional<std::uint64_t> offset = parse_number(flags->operands()[0]);
  if (!offset) return false;
  std::optional<std::uint64_t> length = parse_length(flags->operands()[1]);
  if (!length) return false;
  return read_and_report(session, command, *flags, Range{*offset, *length, {*length}});
}

bool readv(Session& session, const Command& command, const Words& words) {
  std::optional<Flags> flags = Flags::parse(command, words, "CP:qrv");
  if (!flags) return false;
  const Words& operands = flags->operands();
  if (operands.size() < 2) {
    print_usage(command);
    return false;
  }
  std::optional<Range> range = parse_range(operands[0], &operands[1], operands.size() - 1);
  return range && read_and_report(session, command, *flags, *range);
}

constexpr std::array commands = {
    Command{"read", "r", 2, -1, true, false,
            "[-Cpqv] [-P PATTERN [-s OFFSET] [-l LENGTH]] OFFSET LENGTH", "reads a range of bytes",
            read},
    Command{"readv", nullptr, 2, -1, true, false, "[-Cqv] [-P PATTERN] OFFSET LENGTH [LENGTH]...",
            "reads a range of bytes into a vector of buffers", readv},
};

} // namespace

std::span<const Command> read_commands() {
  return commands;
}

} // namespace tools::io
