// WriteLog: appends the changes of a file to a log (write-log-format.h).
#ifndef BLOCK_DEBUG_WRITE_LOG_H
#define BLOCK_DEBUG_WRITE_LOG_H

#include "block/debug/write-log-format.h"
#include "block/node.h"
#include "block/util/aligned-buffer.h"
#include "block/util/mutex.h"

#include <memory>

namespace block::debug {

// Any thread. Offsets and lengths are bytes of the logged file, and multiples of the sector size.
// Entries are written one at a time, under the log's lock. Errors are those of the log's node.
//
// A log with a gap must not be used for a replay. After a failed append, every further append
// fails, and the superblock counts only the entries before the gap.
class WriteLog {
public:
  // Begins a new log in `log`, which is open for writing and outlives the object. The superblock is
  // written at each flush and after every `superblock_interval` entries (not 0).
  static Result<std::unique_ptr<WriteLog>> begin(Node& log, std::uint32_t sector_bytes,
                                                 std::uint64_t superblock_interval);
  // Continues an existing log after the last entry that its superblock counts. An empty file
  // becomes a log with sectors of 512 bytes. Errors also: invalid_argument, if the file is not a
  // log.
  static Result<std::unique_ptr<WriteLog>> go_on(Node& log, std::uint64_t superblock_interval);

  std::uint32_t sector_bytes() const { return sector_bytes_; }

  // To be called before the file is changed. Returns the error after which nothing is appended.
  Result<void> ready() const;

  // To be called after the file has made the change.
  Result<void> append_write(std::uint64_t offset, const IoVector& data, bool fua);
  Result<void> append_zeroes(std::uint64_t offset, std::uint64_t bytes, bool fua);
  Result<void> append_discard(std::uint64_t offset, std::uint64_t bytes);
  Result<void> append_truncate(std::uint64_t length);
  // `before`: the value of entries() when the flush began. Appends nothing if nothing was appended
  // since the last flush.
  Result<void> append_flush(std::uint64_t before);

  std::uint64_t entries() const;

  // Makes the superblock count all entries.
  Result<void> close();

private:
  WriteLog(Node& log, std::uint32_t sector_bytes, std::uint64_t superblock_interval)
      : log_(log),
        sector_bytes_(sector_bytes),
        interval_(superblock_interval),
        sector_(sector_bytes) {}

  Result<void> find_end(std::uint64_t entries);
  // The entry is followed by text in its sector, by data, by zeros, or by nothing.
  Result<void> append(const write_log::Entry& entry, std::string_view text, const IoVector& data,
                      std::uint64_t zeroes) REQUIRES(mutex_);
  Result<void> write_entry(const write_log::Entry& entry, std::string_view text,
                           const IoVector& data, std::uint64_t zeroes) REQUIRES(mutex_);
  Result<void> write_superblock() REQUIRES(mutex_);
  Result<void> ready_locked() const REQUIRES(mutex_);
  write_log::Entry entry_for(std::uint64_t offset, std::uint64_t bytes, std::uint64_t flags) const;

  Node& log_;
  const std::uint32_t sector_bytes_;
  const std::uint64_t interval_;
  // Held while the log is written, so entries are in the order of their offsets in the log.
  mutable Mutex mutex_;
  AlignedBuffer sector_ GUARDED_BY(mutex_);  // buffer for the sector of an entry
  std::uint64_t end_ GUARDED_BY(mutex_) = 0; // in bytes: where the next entry begins
  std::uint64_t entries_ GUARDED_BY(mutex_) = 0;
  std::uint64_t counted_ GUARDED_BY(mutex_) = 0; // entries that the superblock counts
  std::uint64_t flushed_ GUARDED_BY(mutex_) = 0; // entries that a logged flush covers
  std::string broken_ GUARDED_BY(mutex_);        // the error after which nothing is appended
};

} // namespace block::debug

#endif
