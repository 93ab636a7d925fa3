// aio_read, aio_write, aio_discard and aio_flush: requests that run concurrently.
#include "block/tools/io/command.h"
#include "block/tools/io/report.h"
#include "block/tools/io/request.h"

#include <algorithm>
#include <array>
#include <cstdio>

namespace tools::io {
namespace {

using Clock = std::chrono::steady_clock;

// Returns the report of a request that ended now, or nothing with -q.
std::string success(const char* verb, const Flags& flags, const Range& range,
                    Clock::time_point start) {
  if (flags.has('q')) return {};
  return format_report({verb, range.offset, range.bytes, Clock::now() - start, flags.has('C')});
}

std::optional<Range> range_of(const Command& command, const Flags& flags) {
  const Words& operands = flags.operands();
  if (operands.size() >= 2) return parse_range(operands[0], &operands[1], operands.size() - 1);
  print_usage(command);
  return std::nullopt;
}

bool aio_read(Session& session, const Command& command, const Words& words) {
  std::optional<Flags> flags = Flags::parse(command, words, "CiP:qrv");
  if (!flags) return false;
  std::optional<std::byte> pattern;
  if (flags->has('P') && !(pattern = parse_pattern(flags->value('P')))) return false;
  std::optional<Range> range = range_of(command, *flags);
  if (!range) return false;
  session.aio().submit([&session, flags = *flags, range = *range, pattern, start = Clock::now()] {
    block::AlignedBuffer buffer(range.bytes);
    block::Result<void> read = read_range(session, range, buffer);
    if (!read) return format_failure("readv", read.error());
    std::string text;
    if (pattern) text = verify_pattern(buffer.span(), *pattern, range.offset);
    if (flags.has('v') && !flags.has('q')) text += format_dump(buffer.span(), range.offset);
    return text + success("read", flags, range, start);
  });
  return true;
}

bool check_write_flags(const Flags& flags) {
  const char* complaint = nullptr;
  if (flags.has('u') && !flags.has('z'))
    complaint = "-u requires -z to be specified";
  else if (flags.has('z') && flags.operands().size() > 2)
    complaint = "-z supports only a single length parameter";
  if (complaint) std::printf("%s\n", complaint);
  return complaint == nullptr;
}

bool aio_write(Session& session, const Command& command, const Words& words) {
  std::optional<Flags> flags = Flags::parse(command, words, "CfiP:qruz");
  if (!flags || !check_write_flags(*flags)) return false;
  std::optional<std::byte> pattern = std::byte{0xcd};
  if (flags->has('P') && !(pattern = parse_pattern(flags->value('P')))) return false;
  std::optional<Range> range = range_of(command, *flags);
  if (!range) return false;
  session.aio().submit([&session, flags = *flags, range = *range, pattern, start = Clock::now()] {
    block::Result<void> written;
    if (flags.has('z')) {
      written =
          zero_range(session, range.offset, range.bytes,
                     {.fua = flags.has('f'), .may_unmap = flags.has('u'), .no_fallback = false});
    } else {
      block::AlignedBuffer buffer(range.bytes);
      std::ranges::fill(buffer.span(), *pattern);
      written = write_range(session, range, buffer, flags.has('f'));
    }
    if (!written) return format_failure("aio_write", written.error());
    return success("wrote", flags, range, start);
  });
  return true;
}

bool aio_discard(Session& session, const Command& command, const Words& words) {
  std::optional<Flags> flags = Flags::parse(command, words, "Cq");
  if (!flags) return false;
  std::optional<Range> range = range_of(command, *flags);
  if (!range) return false;
  session.aio().submit([&session, flags = *flags, range = *range, start = Clock::now()] {
    block::Result<void> discarded = discard_range(session, range.offset, range.bytes);
    if (!discarded) return format_failure("aio_discard", discarded.error());
    return success("discarded ", flags, range, start);
  });
  return true;
}

bool aio_flush(Session& session, const Command&, const Words&) {
  session.aio().drain();
  block::Result<void> flushed = session.node().co_flush();
  if (!flushed) std::fputs(format_failure("aio_flush", flushed.error()).c_str(), stdout);
  return flushed.ok();
}

constexpr std::array commands = {
    Command{"aio_read", nullptr, 2, -1, true, false,
            "[-Cqv] [-P PATTERN] OFFSET LENGTH [LENGTH]...", "starts to read a range of bytes",
            aio_read},
    Command{"aio_write", nullptr, 2, -1, true, true,
            "[-Cfquz] [-P PATTERN] OFFSET LENGTH [LENGTH]...", "starts to write a range of bytes",
            aio_write},
    Command{"aio_discard", nullptr, 2, 4, true, true, "[-Cq] OFFSET LENGTH",
            "starts to discard a range of bytes", aio_discard},
    Command{"aio_flush", nullptr, 0, 0, true, false, "",
            "waits for the aio requests and makes them durable", aio_flush},
};

} // namespace

std::span<const Command> aio_commands() {
  return commands;
}

} // namespace tools::io
