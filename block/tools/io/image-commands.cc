// Commands about the image: discard, flush, truncate, alloc, map, length, info.
#include "block/tools/common/info-text.h"
#include "block/tools/common/program.h"
#include "block/tools/common/sizes.h"
#include "block/tools/io/command.h"
#include "block/tools/io/report.h"
#include "block/tools/io/request.h"

#include <algorithm>
#include <array>
#include <cinttypes>
#include <cstdio>

namespace tools::io {
namespace {

bool succeeded(const char* verb, const block::Result<void>& result) {
  if (!result) std::fputs(format_failure(verb, result.error()).c_str(), stdout);
  return result.ok();
}

bool discard(Session& session, const Command& command, const Words& words) {
  std::optional<Flags> flags = Flags::parse(command, words, "Cq");
  if (!flags) return false;
  if (flags->operands().size() != 2) {
    print_usage(command);
    return false;
  }
  std::optional<std::uint64_t> offset = parse_number(flags->operands()[0]);
  if (!offset) return false;
  std::optional<std::uint64_t> length = parse_length(flags->operands()[1]);
  if (!length) return false;
  auto start = std::chrono::steady_clock::now();
  if (!succeeded("discard", discard_range(session, *offset, *length))) return false;
  if (flags->has('q')) return true;
  RequestReport report{"discard", *offset, *length, std::chrono::steady_clock::now() - start,
                       flags->has('C')};
  std::fputs(format_report(report).c_str(), stdout);
  return true;
}

bool flush(Session& session, const Command&, const Words&) {
  return succeeded("flush", session.node().co_flush());
}

bool truncate(Session& session, const Command& command, const Words& words) {
  std::optional<Flags> flags = Flags::parse(command, words, "m:");
  if (!flags) return false;
  if (flags->operands().size() != 1) {
    print_usage(command);
    return false;
  }
  auto preallocation = block::parse_preallocation(flags->has('m') ? flags->value('m') : "off");
  if (!preallocation) {
    report_error(preallocation.error());
    return false;
  }
  std::optional<std::uint64_t> length = parse_number(flags->operands()[0]);
  if (!length) return false;
  block::Result<void> truncated = session.node().co_truncate(*length, *preallocation);
  if (!truncated) report_error(truncated.error());
  return truncated.ok();
}

// Returns the run at `offset` in which the image's own allocation is the same, at most `bytes`
// long.
block::Result<block::BlockStatus> allocation_run(block::Node& node, std::uint64_t offset,
                                                 std::uint64_t bytes) {
  block::BlockStatus run;
  while (run.bytes < bytes) {
    BLOCK_TRY_ASSIGN(block::BlockStatus next,
                     node.co_block_status(offset + run.bytes, bytes - run.bytes));
    if (run.bytes != 0 && next.allocated != run.allocated) break;
    run.allocated = next.allocated;
    run.bytes += next.bytes;
  }
  return run;
}

bool alloc(Session& session, const Command&, const Words& words) {
  std::optional<std::uint64_t> offset = parse_number(words[1]);
  if (!offset) return false;
  std::optional<std::uint64_t> count = 512;
  if (words.size() > 2) count = parse_number(words[2]);
  if (!count) return false;
  block::Node& node = session.node();
  block::Result<std::uint64_t> length = node.co_get_length();
  if (!length) return succeeded("alloc", std::move(length).error());
  std::uint64_t bytes = *offset < *length ? std::min(*count, *length - *offset) : 0;
  std::uint64_t allocated = 0;
  for (std::uint64_t done = 0; done < bytes;) {
    auto run = allocation_run(node, *offset + done, bytes - done);
    if (!run) return succeeded("alloc", std::move(run).error());
    if (run->allocated) allocated += run->bytes;
    done += run->bytes;
  }
  std::printf("%" PRIu64 "/%" PRIu64 " bytes allocated at offset %s\n", allocated, bytes,
              format_exact_size(*offset).c_str());
  return true;
}

bool map(Session& session, const Command&, const Words&) {
  block::Node& node = session.node();
  block::Result<std::uint64_t> length = node.co_get_length();
  if (!length) return succeeded("map", std::move(length).error());
  for (std::uint64_t offset = 0; offset < *length;) {
    auto run = allocation_run(node, offset, *length - offset);
    if (!run) return succeeded("map", std::move(run).error());
    std::printf("%s (0x%" PRIx64 ") bytes %s at offset %s (0x%" PRIx64 ")\n",
                format_exact_size(run->bytes).c_str(), run->bytes,
                run->allocated ? "    allocated" : "not allocated",
                format_exact_size(offset).c_str(), offset);
    offset += run->bytes;
  }
  return true;
}

bool length(Session& session, const Command&, const Words&) {
  block::Result<std::uint64_t> bytes = session.node().co_get_length();
  if (!bytes) return succeeded("getlength", std::move(bytes).error());
  std::printf("%s\n", format_exact_size(*bytes).c_str());
  return true;
}

bool info(Session& session, const Command&, const Words&) {
  block::Node& node = session.node();
  std::printf("format name: %s\n", node.driver().format_name);
  if (!node.driver().get_info) return true;
  block::Result<block::DriverInfo> facts = node.get_info();
  if (!facts) return succeeded("info", std::move(facts).error());
  if (facts->cluster_size != 0)
    std::printf("cluster size: %s\n", format_exact_size(facts->cluster_size).c_str());
  if (!facts->format_specific.empty())
    std::printf("Format specific information:\n%s",
                format_fields(facts->format_specific, 4).c_str());
  return true;
}

constexpr std::array commands = {
    Command{"alloc", "a", 1, 2, true, false, "OFFSET [COUNT]",
            "counts the bytes that the image has allocated itself", alloc},
    Command{"discard", "d", 2, -1, true, true, "[-Cq] OFFSET LENGTH", "discards a range of bytes",
            discard},
    Command{"flush", "f", 0, 0, true, false, "", "makes earlier writes durable", flush},
    Command{"info", "i", 0, 0, true, false, "", "shows the facts of the image", info},
    Command{"length", "l", 0, 0, true, false, "", "shows the length of the image", length},
    Command{"map", nullptr, 0, 0, true, false, "",
            "shows the ranges that the image itself has allocated", map},
    Command{"truncate", "t", 1, 3, true, true, "[-m off|metadata|falloc|full] LENGTH",
            "sets the length of the image", truncate},
};

} // namespace

std::span<const Command> image_commands() {
  return commands;
}

} // namespace tools::io
