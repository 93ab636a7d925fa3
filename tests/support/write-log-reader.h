// Reads the logs of driver "blklogwrites".
#ifndef TESTS_SUPPORT_WRITE_LOG_READER_H
#define TESTS_SUPPORT_WRITE_LOG_READER_H

#include "tests/support/memory-file.h"

namespace block {

struct LoggedRequest {
  // Empty for a flush.
  std::optional<MemoryChange> change;
  // For a flush: it does not cover this number of requests directly before it.
  std::uint64_t not_covered = 0;

  bool is_flush() const { return !change; }
};

// Returns the requests of the log, in order. Errors: invalid_argument, if it is not a log, or if it
// ends before the last entry that its superblock counts.
Result<std::vector<LoggedRequest>> read_write_log(std::span<const std::byte> log);

// Returns whether the write to the log is an entry that makes something durable: a flush, or a
// write with FUA. `bytes` is one write to the log.
bool makes_durable(std::uint64_t offset, std::span<const std::byte> bytes);

} // namespace block

#endif
