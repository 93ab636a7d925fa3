// WriteLog: entries and the superblock.
#include "block/debug/write-log.h"

#include <algorithm>
#include <cstring>
#include <span>

namespace block::debug {

using write_log::Entry;
using write_log::Superblock;

namespace {

Error cannot_go_on(const std::string& what) {
  return Error(ErrorKind::invalid_argument, "The log cannot be appended to: " + what);
}

} // namespace

Result<std::unique_ptr<WriteLog>> WriteLog::begin(Node& log, std::uint32_t sector_bytes,
                                                  std::uint64_t superblock_interval) {
  std::unique_ptr<WriteLog> begun(new WriteLog(log, sector_bytes, superblock_interval));
  MutexGuard hold(begun->mutex_);
  begun->end_ = sector_bytes;
  // Written at once, so that an older log in the file is not taken for this one.
  BLOCK_TRY(begun->write_superblock());
  return begun;
}

Result<std::unique_ptr<WriteLog>> WriteLog::go_on(Node& log, std::uint64_t superblock_interval) {
  BLOCK_TRY_ASSIGN(const std::uint64_t length, log.co_get_length());
  if (length == 0) return begin(log, write_log::default_sector_bytes, superblock_interval);
  if (length < write_log::default_sector_bytes) return cannot_go_on("it is too short");
  std::byte head[Superblock::bytes];
  BLOCK_TRY(log.co_readv(0, IoVector(head, sizeof head)));
  const Superblock superblock = write_log::decode_superblock(head);
  if (superblock.magic != write_log::magic) return cannot_go_on("it does not begin as a log does");
  if (superblock.version != write_log::version)
    return cannot_go_on("its version is " + std::to_string(superblock.version));
  if (!write_log::usable_sector_bytes(superblock.sector_bytes))
    return cannot_go_on("its sectors have " + std::to_string(superblock.sector_bytes) + " bytes");
  std::unique_ptr<WriteLog> found(new WriteLog(log, superblock.sector_bytes, superblock_interval));
  BLOCK_TRY(found->find_end(superblock.entries));
  return found;
}

// Each step advances by one sector at least, so hostile numbers stop at the end of the log. A log
// that is a hole stops at the first entry, because no valid entry is all zeros.
Result<void> WriteLog::find_end(std::uint64_t entries) {
  MutexGuard hold(mutex_);
  BLOCK_TRY_ASSIGN(const std::uint64_t length, log_.co_get_length());
  const std::uint64_t sectors = length / sector_bytes_;
  std::uint64_t at = 1;
  for (std::uint64_t i = 0; i < entries; ++i) {
    auto refusal = [&](const std::string& what) {
      return cannot_go_on("entry " + std::to_string(i) + " of " + std::to_string(entries) + what);
    };
    if (at >= sectors) return refusal(" lies beyond its end");
    std::byte head[Entry::bytes];
    BLOCK_TRY(log_.co_readv(at * sector_bytes_, IoVector(head, sizeof head)));
    const Entry entry = write_log::decode_entry(head);
    if (entry.flags == 0 && entry.sectors == 0) return refusal(" is empty");
    if (entry.data_sectors() > sectors - at - 1) return refusal(" lies beyond its end");
    at += 1 + entry.data_sectors();
  }
  end_ = at * sector_bytes_;
  entries_ = counted_ = flushed_ = entries;
  return {};
}

Result<void> WriteLog::ready_locked() const {
  if (broken_.empty()) return {};
  return Error(ErrorKind::io, "The write log is not complete since this failed: " + broken_);
}

Result<void> WriteLog::ready() const {
  MutexGuard hold(mutex_);
  return ready_locked();
}

std::uint64_t WriteLog::entries() const {
  MutexGuard hold(mutex_);
  return entries_;
}

Entry WriteLog::entry_for(std::uint64_t offset, std::uint64_t bytes, std::uint64_t flags) const {
  Entry entry;
  entry.sector = offset / sector_bytes_;
  entry.sectors = bytes / sector_bytes_;
  entry.flags = flags;
  return entry;
}

Result<void> WriteLog::append_write(std::uint64_t offset, const IoVector& data, bool fua) {
  MutexGuard hold(mutex_);
  return append(entry_for(offset, data.size(), fua ? Entry::fua : 0), {}, data, 0);
}

Result<void> WriteLog::append_zeroes(std::uint64_t offset, std::uint64_t bytes, bool fua) {
  MutexGuard hold(mutex_);
  return append(entry_for(offset, bytes, fua ? Entry::fua : 0), {}, {}, bytes);
}

Result<void> WriteLog::append_discard(std::uint64_t offset, std::uint64_t bytes) {
  MutexGuard hold(mutex_);
  return append(entry_for(offset, bytes, Entry::discard), {}, {}, 0);
}

Result<void> WriteLog::append_truncate(std::uint64_t length) {
  const std::string text = std::string(write_log::truncate_mark) + std::to_string(length);
  Entry entry;
  entry.flags = Entry::mark;
  entry.data_bytes = text.size();
  MutexGuard hold(mutex_);
  return append(entry, text, {}, 0);
}

Result<void> WriteLog::append_flush(std::uint64_t before) {
  MutexGuard hold(mutex_);
  BLOCK_TRY(ready_locked());
  if (flushed_ == entries_) return {};
  Entry entry;
  entry.sector = entries_ - before;
  entry.flags = Entry::flush;
  BLOCK_TRY(append(entry, {}, {}, 0));
  // If this flush left entries uncovered, the next flush needs an entry of its own.
  flushed_ = entry.sector == 0 ? entries_ : std::max(flushed_, before);
  return counted_ == entries_ ? Result<void>() : write_superblock();
}

Result<void> WriteLog::append(const Entry& entry, std::string_view text, const IoVector& data,
                              std::uint64_t zeroes) {
  BLOCK_TRY(ready_locked());
  if (Result<void> written = write_entry(entry, text, data, zeroes); !written) {
    broken_ = written.error().message();
    return std::move(written).error().context("Write log");
  }
  ++entries_;
  end_ += (1 + entry.data_sectors()) * sector_bytes_;
  return entries_ % interval_ == 0 ? write_superblock() : Result<void>();
}

Result<void> WriteLog::write_entry(const Entry& entry, std::string_view text, const IoVector& data,
                                   std::uint64_t zeroes) {
  std::memset(sector_.data(), 0, sector_.size());
  write_log::encode(entry, sector_.data());
  std::ranges::copy(std::as_bytes(std::span(text)), sector_.data() + Entry::bytes);
  IoVector whole(sector_.data(), sector_.size());
  whole.append(data);
  BLOCK_TRY(log_.co_writev(end_, whole));
  if (zeroes == 0) return {};
  return log_.co_pwrite_zeroes(end_ + sector_bytes_, zeroes);
}

Result<void> WriteLog::write_superblock() {
  std::memset(sector_.data(), 0, sector_.size());
  Superblock superblock;
  superblock.entries = entries_;
  superblock.sector_bytes = sector_bytes_;
  write_log::encode(superblock, sector_.data());
  BLOCK_TRY(log_.co_writev(0, IoVector(sector_.data(), sector_.size())));
  BLOCK_TRY(log_.co_flush());
  counted_ = entries_;
  return {};
}

Result<void> WriteLog::close() {
  MutexGuard hold(mutex_);
  return counted_ == entries_ ? Result<void>() : write_superblock();
}

} // namespace block::debug
