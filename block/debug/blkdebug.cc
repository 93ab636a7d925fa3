// The filter driver "blkdebug": its options, and its requests, which pass the rules and break
// points.
//
// Options: image (the child: a node's name, or image.*), config (a file with rules),
// inject-error.*, inject-delay.*, set-state.* (rules), align, max-transfer (limits, in bytes). The
// file name "blkdebug:CONFIG:IMAGE" stands for config and image. CONFIG may be empty.
#include "block/debug/blkdebug.h"

#include "block/debug/break-points.h"
#include "block/debug/config-file.h"
#include "block/debug/filter.h"
#include "block/debug/rules.h"
#include "block/graph.h"

#include <algorithm>

namespace block {
namespace {

using debug::IoType;

struct DebugState {
  debug::Rules rules;
  debug::BreakPoints break_points;
};

debug::Rules& rules_of(Node& node) {
  return node.state<DebugState>().rules;
}

debug::BreakPoints& break_points_of(Node& node) {
  return node.state<DebugState>().break_points;
}

struct DebugName {
  std::string config;
  std::string image;
};

Result<DebugName> split_filename(const std::string& filename) {
  const std::string prefix = "blkdebug:";
  const std::size_t colon =
      filename.starts_with(prefix) ? filename.find(':', prefix.size()) : std::string::npos;
  if (colon == std::string::npos || colon + 1 == filename.size())
    return Error(ErrorKind::invalid_argument,
                 "'" + filename + "' is not of the form blkdebug:CONFIG:IMAGE");
  return DebugName{filename.substr(prefix.size(), colon - prefix.size()),
                   filename.substr(colon + 1)};
}

Result<void> take_filename(Options& options) {
  const std::optional<std::string> filename = options.take("filename");
  if (!filename) return {};
  BLOCK_TRY_ASSIGN(const DebugName name, split_filename(*filename));
  if (!name.config.empty()) options.set_default("config", name.config);
  options.set("image.filename", name.image);
  return {};
}

Result<void> take_limits(Node& node, Options& options) {
  Limits& limits = node.limits();
  BLOCK_TRY_ASSIGN(const std::uint64_t align, options.take_size("align", limits.request_alignment));
  // The node layer checks that the value is a power of two within its limit.
  if (align == 0 || align > UINT32_MAX)
    return Error(ErrorKind::invalid_argument, "Parameter 'align' is not an alignment");
  limits.request_alignment = static_cast<std::uint32_t>(align);
  BLOCK_TRY_ASSIGN(const std::uint64_t max_transfer,
                   options.take_size("max-transfer", limits.max_transfer));
  if (max_transfer < align)
    return Error(ErrorKind::invalid_argument,
                 "Parameter 'max-transfer' leaves no room for one block");
  limits.max_transfer = std::min(limits.max_transfer, max_transfer);
  return {};
}

Result<void> debug_open(Node& node, Options& options) {
  auto state = std::make_shared<DebugState>();
  BLOCK_TRY(take_filename(options));
  if (const std::optional<std::string> config = options.take("config")) {
    BLOCK_TRY_ASSIGN(Options from_file, debug::read_config_file(*config));
    Result<void> added = state->rules.add(from_file);
    if (!added) return std::move(added).error().context("blkdebug config file '" + *config + "'");
  }
  BLOCK_TRY(state->rules.add(options));
  BLOCK_TRY(take_limits(node, options));

  Options image; // to the node layer, the only child of a filter is named "file"
  if (std::optional<std::string> reference = options.take("image"))
    image.set("file", std::move(*reference));
  const Options definition = options.take_children("image");
  for (const auto& [key, value] : definition.entries())
    image.set("file." + key, value);
  if (image.empty())
    return Error(ErrorKind::invalid_argument, "A block device must be specified for \"image\"");
  Access access;
  access.write = !node.read_only();
  BLOCK_TRY(node.open_child("file", image, access));
  node.set_state(std::move(state));
  return {};
}

Result<std::string> debug_create_file(const std::string& filename, Options& options) {
  BLOCK_TRY_ASSIGN(const DebugName name, split_filename(filename));
  const std::string protocol = protocol_of(name.image);
  BLOCK_TRY_ASSIGN(const BlockDriver* driver,
                   DriverRegistry::instance().find(protocol.empty() ? "file" : protocol));
  if (!driver->create_file)
    return Error(ErrorKind::unsupported, "Protocol driver '" + std::string(driver->format_name) +
                                             "' does not support image creation");
  return driver->create_file(name.image, options);
}

// Applies the rules to a request that is either done in full or fails without effect.
Result<void> judge(Node& node, IoType type, std::uint64_t offset, std::uint64_t bytes) {
  debug::Verdict verdict = rules_of(node).meet(type, offset, bytes);
  if (verdict.error) return std::move(*verdict.error);
  return {};
}

Result<void> debug_readv(Node& node, std::uint64_t offset, const IoVector& vector) {
  debug::Verdict verdict = rules_of(node).meet(IoType::read, offset, vector.size());
  if (verdict.error) {
    if (verdict.done_bytes > 0)
      BLOCK_TRY(node.file()->co_readv(offset, vector.slice(0, verdict.done_bytes)));
    return std::move(*verdict.error);
  }
  return debug::read_child(node, offset, vector);
}

// The rules treat it as a read. If it fails, nothing is read.
Result<void> debug_read_medium(Node& node, std::uint64_t offset, const IoVector& vector) {
  BLOCK_TRY(judge(node, IoType::read, offset, vector.size()));
  return debug::read_medium_of_child(node, offset, vector);
}

Result<void> debug_writev(Node& node, std::uint64_t offset, const IoVector& vector,
                          WriteFlags flags) {
  rules_of(node).happen(DebugEvent::pwritev);
  debug::Verdict verdict = rules_of(node).meet(IoType::write, offset, vector.size());
  if (verdict.error) {
    if (verdict.done_bytes > 0)
      BLOCK_TRY(node.file()->co_writev(offset, vector.slice(0, verdict.done_bytes), flags));
    return std::move(*verdict.error);
  }
  return node.file()->co_writev(offset, vector, flags);
}

Result<void> debug_flush(Node& node) {
  rules_of(node).happen(DebugEvent::flush_to_disk);
  BLOCK_TRY(judge(node, IoType::flush, 0, 0));
  return node.file()->read_only() ? Result<void>() : node.file()->co_flush();
}

Result<void> debug_pwrite_zeroes(Node& node, std::uint64_t offset, std::uint64_t bytes,
                                 ZeroFlags flags) {
  rules_of(node).happen(DebugEvent::pwritev_zero);
  BLOCK_TRY(judge(node, IoType::write_zeroes, offset, bytes));
  return node.file()->co_pwrite_zeroes(offset, bytes, flags);
}

Result<void> debug_pdiscard(Node& node, std::uint64_t offset, std::uint64_t bytes) {
  BLOCK_TRY(judge(node, IoType::discard, offset, bytes));
  return node.file()->co_pdiscard(offset, bytes);
}

Result<void> debug_truncate(Node& node, std::uint64_t length, Preallocation preallocation) {
  return node.file()->co_truncate(length, preallocation);
}

Result<BlockStatus> debug_block_status(Node& node, std::uint64_t offset, std::uint64_t bytes) {
  BLOCK_TRY(judge(node, IoType::block_status, offset, bytes));
  return debug::status_of_child(node, offset, bytes);
}

void debug_event(Node& node, DebugEvent event) {
  rules_of(node).happen(event);
  break_points_of(node).pass(event);
}

Result<void> debug_breakpoint(Node& node, DebugEvent event, const std::string& tag) {
  return break_points_of(node).set(event, tag);
}

Result<void> debug_remove_breakpoint(Node& node, const std::string& tag) {
  return break_points_of(node).remove(tag);
}

Result<void> debug_resume(Node& node, const std::string& tag) {
  return break_points_of(node).resume(tag);
}

Result<bool> debug_wait(Node& node, const std::string& tag, std::chrono::milliseconds at_most) {
  return break_points_of(node).wait(tag, at_most);
}

constexpr DebugOperations debug_operations = {
    .event = debug_event,
    .breakpoint = debug_breakpoint,
    .remove_breakpoint = debug_remove_breakpoint,
    .resume = debug_resume,
    .wait = debug_wait,
};

} // namespace

const BlockDriver blkdebug_driver = {
    .format_name = "blkdebug",
    // A protocol, so that users can name it in a file name ("blkdebug:...") and images cannot.
    .is_protocol = true,
    .is_filter = true,
    .create_file = debug_create_file,
    .open = debug_open,
    .co_readv = debug_readv,
    .co_read_medium = debug_read_medium,
    .co_writev = debug_writev,
    .supports_fua = true, // the child makes the write durable
    .co_flush = debug_flush,
    .co_pwrite_zeroes = debug_pwrite_zeroes,
    .co_pdiscard = debug_pdiscard,
    .co_truncate = debug_truncate,
    .co_block_status = debug_block_status,
    .debug = &debug_operations,
};

} // namespace block
