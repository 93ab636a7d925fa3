// The filter driver "blklogwrites": its options, and its requests, which are logged after they are
// done.
//
// Options: file, log (the children: a node's name, or file.*, log.*), log-sector-size (bytes, a
// power of two from 512 to 4 MiB, default 512), log-append (append to the existing log with its
// sector size), log-super-update-interval (entries, default 4096).
#include "block/debug/blklogwrites.h"

#include "block/debug/filter.h"
#include "block/debug/write-log.h"
#include "block/range-lock.h"

#include <algorithm>

namespace block {
namespace {

using debug::WriteLog;

struct LogState {
  std::unique_ptr<WriteLog> log; // null if the node is read-only
  RangeLock changes;             // ranges of the file in bytes
};

WriteLog& log_of(Node& node) {
  return *node.state<LogState>().log;
}

struct LogOptions {
  bool append = false;
  std::uint32_t sector_bytes = 0;
  std::uint64_t superblock_interval = 0;
};

Result<LogOptions> take_log_options(Options& options) {
  LogOptions taken;
  const bool has_sector_size = options.contains("log-sector-size");
  BLOCK_TRY_ASSIGN(taken.append, options.take_bool("log-append", false));
  BLOCK_TRY_ASSIGN(const std::uint64_t sector_bytes,
                   options.take_size("log-sector-size", write_log::default_sector_bytes));
  BLOCK_TRY_ASSIGN(taken.superblock_interval,
                   options.take_number("log-super-update-interval", 4096));
  if (taken.append && has_sector_size)
    return Error(ErrorKind::invalid_argument,
                 "log-append and log-sector-size are mutually exclusive");
  if (!write_log::usable_sector_bytes(sector_bytes))
    return Error(ErrorKind::invalid_argument,
                 "Invalid log sector size " + std::to_string(sector_bytes));
  if (taken.superblock_interval == 0)
    return Error(ErrorKind::invalid_argument, "Invalid log superblock update interval 0");
  taken.sector_bytes = static_cast<std::uint32_t>(sector_bytes);
  return taken;
}

Result<void> log_open(Node& node, Options& options) {
  BLOCK_TRY_ASSIGN(const LogOptions wanted, take_log_options(options));
  Access access;
  access.write = !node.read_only();
  BLOCK_TRY(node.open_child("file", options, access));
  access.write = !node.read_only();
  BLOCK_TRY(node.open_child("log", options, access));
  // Checked before a new log replaces the existing one.
  BLOCK_TRY(options.expect_empty("Block format 'blklogwrites'"));

  auto state = std::make_shared<LogState>();
  Limits& limits = node.limits();
  limits.request_alignment = wanted.sector_bytes;
  if (!node.read_only()) {
    Node& log = *node.child("log");
    auto opened = wanted.append
                      ? WriteLog::go_on(log, wanted.superblock_interval)
                      : WriteLog::begin(log, wanted.sector_bytes, wanted.superblock_interval);
    BLOCK_TRY_ASSIGN(state->log, std::move(opened));
    limits.request_alignment = state->log->sector_bytes();
  }
  limits.opt_transfer = std::max(limits.opt_transfer, limits.request_alignment);
  limits.max_transfer = INT32_MAX; // one entry per request; the children split it if necessary
  node.set_state(std::move(state));
  return {};
}

Result<void> log_close(Node& node) {
  return node.read_only() ? Result<void>() : log_of(node).close();
}

// Makes a change and logs it, with no other change of the same range in between: the log must
// contain overlapping changes in the order in which they reached the file.
template <typename Change, typename Append>
Result<void> do_and_log(Node& node, std::uint64_t offset, std::uint64_t bytes, Change change,
                        Append append) {
  auto& state = node.state<LogState>();
  RangeLock::Guard alone(state.changes, offset, offset + bytes, RangeLock::Mode::exclusive);
  BLOCK_TRY(state.log->ready());
  BLOCK_TRY(change(*node.file()));
  return append(*state.log);
}

Result<void> log_writev(Node& node, std::uint64_t offset, const IoVector& vector,
                        WriteFlags flags) {
  return do_and_log(
      node, offset, vector.size(),
      [&](Node& file) { return file.co_writev(offset, vector, flags); },
      [&](WriteLog& log) { return log.append_write(offset, vector, flags.fua); });
}

Result<void> log_pwrite_zeroes(Node& node, std::uint64_t offset, std::uint64_t bytes,
                               ZeroFlags flags) {
  return do_and_log(
      node, offset, bytes, [&](Node& file) { return file.co_pwrite_zeroes(offset, bytes, flags); },
      [&](WriteLog& log) { return log.append_zeroes(offset, bytes, flags.fua); });
}

Result<void> log_pdiscard(Node& node, std::uint64_t offset, std::uint64_t bytes) {
  return do_and_log(
      node, offset, bytes, [&](Node& file) { return file.co_pdiscard(offset, bytes); },
      [&](WriteLog& log) { return log.append_discard(offset, bytes); });
}

Result<void> log_truncate(Node& node, std::uint64_t length, Preallocation preallocation) {
  return do_and_log(
      node, 0, UINT64_MAX, [&](Node& file) { return file.co_truncate(length, preallocation); },
      [&](WriteLog& log) { return log.append_truncate(length); });
}

Result<void> log_flush(Node& node) {
  if (node.read_only()) return {};
  BLOCK_TRY(log_of(node).ready());
  // Every entry so far is of a finished request. A request that is logged while the flush runs may
  // not be covered by it.
  const std::uint64_t before = log_of(node).entries();
  BLOCK_TRY(node.file()->co_flush());
  return log_of(node).append_flush(before);
}

} // namespace

const BlockDriver blklogwrites_driver = {
    .format_name = "blklogwrites",
    .is_filter = true,
    .open = log_open,
    .close = log_close,
    .co_readv = debug::read_child,
    .co_read_medium = debug::read_medium_of_child,
    .co_writev = log_writev,
    .supports_fua = true, // the child makes the write durable
    .co_flush = log_flush,
    .co_pwrite_zeroes = log_pwrite_zeroes,
    .co_pdiscard = log_pdiscard,
    .co_truncate = log_truncate,
    .co_block_status = debug::status_of_child,
};

} // namespace block
