// Reads the logs of driver "blklogwrites".
#ifndef TESTS_SUPPORT_WRITE_LOG_READER_H
#define TESTS_SUPPORT_WRITE_LOG_READER_H

#include "tests/support/memory-file.h"

namespace block {

struct LoggedRequest {
  // Nothing for a flush.
  std::optional<MemoryChange> change;
  // Of a flush: so many requests directly before it are not covered by it.
  std::uint64_t not_covered = 0;

  bool is_flush() const { return !change; }
};

// What the log holds, in order. Errors: invalid_argument, for what is no log, or one that ends in
// the midst of what its superblock counts.
Result<std::vector<LoggedRequest>> read_write_log(std::span<const std::byte> log);

// Whether that is an entry of the log after which more is durable than before: a flush, or a write
// with FUA. `bytes` is one write to the log.
bool makes_durable(std::uint64_t offset, std::span<const std::byte> bytes);

} // namespace block

#endif
