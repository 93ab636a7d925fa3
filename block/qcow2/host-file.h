// HostFile: access of the qcow2 code to the image file, by host offset, with barriers.
#ifndef BLOCK_QCOW2_HOST_FILE_H
#define BLOCK_QCOW2_HOST_FILE_H

#include "block/node.h"
#include "block/qcow2/format.h"
#include "block/util/mutex.h"

#include <atomic>
#include <span>
#include <unordered_set>

namespace qcow2 {

using block::IoVector;
using block::Result;

// A thin view of the child node "file", which it does not own. Any thread. Errors name the host
// offset.
class HostFile {
public:
  // If the length of the file cannot be determined, the file counts as empty: then every read
  // fails.
  explicit HostFile(block::Node& file);

  // Bytes beyond the end of the file read as zeros, because the last cluster of a file may be cut
  // short. Error: corrupt, if the range begins at or beyond the end.
  Result<void> read(HostOffset offset, const IoVector& vector);
  Result<void> write(HostOffset offset, const IoVector& vector);
  Result<void> read(HostOffset offset, std::span<std::byte> bytes) {
    return read(offset, IoVector(bytes.data(), bytes.size()));
  }
  Result<void> write(HostOffset offset, std::span<const std::byte> bytes) {
    return write(offset, IoVector(bytes.data(), bytes.size()));
  }

  // Returns whether the medium holds these bytes at `offset`, whatever the page cache holds. Bytes
  // beyond the end of the file are not compared. Errors also: unsupported, if the content of the
  // medium cannot be determined.
  Result<bool> is_on_medium(HostOffset offset, std::span<const std::byte> bytes);

  // For a session after one that may have lost writes without notice. Until
  // end_restoring_lost_writes(), read() compares the page cache with the medium. It writes data
  // again that the medium lacks, so that the next barrier makes it durable or fails; neighbouring
  // data may be written again, too. Begins with a barrier. No requests may run.
  Result<void> begin_restoring_lost_writes();
  void end_restoring_lost_writes();

  // Reports the next step to the child, where a test may fail or hold the request.
  void event(block::DebugEvent event) { file_.debug_event(event); }

  // Makes every write that returned before the call durable. The first call also makes durable what
  // earlier processes left in the page cache. Costs nothing if nothing was written since the last
  // barrier.
  Result<void> barrier();

  // Returns the space of a range to the file system, as far as the file reaches. The content of the
  // range is undefined afterwards.
  Result<void> punch(HostOffset offset, std::uint64_t bytes);

  // Truncates the file to `end`. No requests may run.
  Result<void> cut(HostOffset end);

  // Releases the space that was reserved beyond end(). No writes may run.
  Result<void> release_reserved();

  // Extends the file to at least `end`, durably; the new part reads as zeros. No writes may run.
  Result<void> extend(HostOffset end);

  // Returns whether a node below leaves flushes out, so that barrier() makes nothing durable.
  bool flushes_nothing() const;

  // The first byte after everything that the file held at open or that was written since.
  HostOffset end() const { return HostOffset(end_.load(std::memory_order_relaxed)); }
  block::Node& node() { return file_; }

private:
  void reserve(std::uint64_t end);
  // Returns how many of `bytes` bytes lie before the end of the file. Error: corrupt, if none does.
  Result<std::uint64_t> bytes_within(HostOffset offset, std::uint64_t bytes) const;
  Result<void> write_again_if_lost(HostOffset offset, const IoVector& vector);

  block::Node& file_;
  std::atomic<std::uint64_t> end_;
  // The file reaches at least to this offset: space of the file system reserved in advance. Without
  // the page cache, every write that makes a file longer waits for all other writes and for the
  // allocation.
  std::atomic<std::uint64_t> reserved_end_;
  block::Mutex reserve_mutex_;
  bool can_reserve_ GUARDED_BY(reserve_mutex_);
  bool restores_lost_writes_ = false;
  std::unordered_set<std::uint64_t> restored_windows_; // by their offsets
  // Writes that have returned. The initial 1 stands for everything that earlier processes may have
  // written.
  std::atomic<std::uint64_t> writes_{1};
  std::atomic<std::uint64_t> durable_writes_{0}; // of writes_, those that are known to be durable
};

} // namespace qcow2

#endif
