// WriteLog: appends what was done to a file to a log (write-log-format.h).
#ifndef BLOCK_DEBUG_WRITE_LOG_H
#define BLOCK_DEBUG_WRITE_LOG_H

#include "block/debug/write-log-format.h"
#include "block/node.h"
#include "block/util/aligned-buffer.h"
#include "block/util/mutex.h"

#include <memory>

namespace block::debug {

// All functions on any thread. Offsets and lengths are bytes of the file that the log is about, and
// multiples of the sector size. One entry is written after the other, under the log's lock; errors
// are those of the log's node.
//
// A log that lacks something must not be believed: once an entry could not be appended, every
// further one is refused, and the superblock counts what stands before it.
class WriteLog {
public:
  // A new log in `log`, which is open for writing and outlives the object. The superblock is
  // written at each flush and after every `superblock_interval` entries (not 0).
  static Result<std::unique_ptr<WriteLog>> begin(Node& log, std::uint32_t sector_bytes,
                                                 std::uint64_t superblock_interval);
  // Goes on behind the last entry that the superblock of an existing log counts; an empty file
  // becomes a log with sectors of 512 bytes. Errors also: invalid_argument, for what is no log.
  static Result<std::unique_ptr<WriteLog>> go_on(Node& log, std::uint64_t superblock_interval);

  std::uint32_t sector_bytes() const { return sector_bytes_; }

  // To be asked before the file is changed: the error after which nothing is appended any more.
  Result<void> ready() const;

  // What the file has done.
  Result<void> append_write(std::uint64_t offset, const IoVector& data, bool fua);
  Result<void> append_zeroes(std::uint64_t offset, std::uint64_t bytes, bool fua);
  Result<void> append_discard(std::uint64_t offset, std::uint64_t bytes);
  Result<void> append_truncate(std::uint64_t length);
  // `before`: entries() when the flush began. Nothing is appended if nothing was since the last
  // flush.
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
  // With what follows the entry: text in its sector, data, zeros, or none of it.
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
  // Held while the log is written: the order of entries is that of their places.
  mutable Mutex mutex_;
  AlignedBuffer sector_ GUARDED_BY(mutex_);  // what an entry's sector is built in
  std::uint64_t end_ GUARDED_BY(mutex_) = 0; // bytes: where the next entry begins
  std::uint64_t entries_ GUARDED_BY(mutex_) = 0;
  std::uint64_t counted_ GUARDED_BY(mutex_) = 0; // entries, in the superblock
  std::uint64_t flushed_ GUARDED_BY(mutex_) = 0; // entries, covered by a flush in the log
  std::string broken_ GUARDED_BY(mutex_);        // why nothing is appended any more
};

} // namespace block::debug

#endif
