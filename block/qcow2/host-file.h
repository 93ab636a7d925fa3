// HostFile: the image file as the qcow2 code sees it, by host offset, with barriers.
#ifndef BLOCK_QCOW2_HOST_FILE_H
#define BLOCK_QCOW2_HOST_FILE_H

#include "block/node.h"
#include "block/qcow2/format.h"

#include <atomic>
#include <mutex>
#include <span>
#include <unordered_set>

namespace qcow2 {

using block::IoVector;
using block::Result;

// A thin view of the child node "file"; does not own it. Any thread. Errors name the host offset.
class HostFile {
public:
  // A file whose length cannot be told is taken for empty: then every read is an error.
  explicit HostFile(block::Node& file);

  // What lies beyond the end of the file reads as zeros: the last cluster of a file may be cut
  // short.
  Result<void> read(HostOffset offset, const IoVector& vector);
  Result<void> write(HostOffset offset, const IoVector& vector);
  Result<void> read(HostOffset offset, std::span<std::byte> bytes) {
    return read(offset, IoVector(bytes.data(), bytes.size()));
  }
  Result<void> write(HostOffset offset, std::span<const std::byte> bytes) {
    return write(offset, IoVector(bytes.data(), bytes.size()));
  }

  // Whether the medium holds these bytes there, whatever the page cache shows; what lies beyond the
  // end is taken for zeros. Errors also: unsupported, if that cannot be told.
  Result<bool> is_on_medium(HostOffset offset, std::span<const std::byte> bytes);

  // For a session after one that may have lost writes without this one knowing. While it is on,
  // what read() finds in the page cache and not on the medium is written again, so that the next
  // barrier makes it durable or fails; what lies beside it may be, too. Begins with a barrier. Not
  // while requests run.
  Result<void> begin_restoring_lost_writes();
  void end_restoring_lost_writes();

  // Tells the child what comes next, where a test may want an error or a halt.
  void event(block::DebugEvent event) { file_.debug_event(event); }

  // Makes every write that returned before the call durable, and at the first call what earlier
  // processes left in the page cache. Costs nothing if nothing was written since the last barrier.
  Result<void> barrier();

  // Gives the space of a range back to the file system, as far as the file reaches; the content is
  // undefined afterwards.
  Result<void> punch(HostOffset offset, std::uint64_t bytes);

  // Makes the file end there. Not while requests run.
  Result<void> cut(HostOffset end);

  // Gives back what was reserved beyond end(). While nobody writes.
  Result<void> release_reserved();

  // Makes the file at least so long, durably; what it gains reads as zeros. Not while writes run.
  Result<void> extend(HostOffset end);

  // Whether flushes are left out somewhere below, so that barrier() makes nothing durable.
  bool flushes_nothing() const;

  // The first byte after all that the file held at open or that was written since.
  HostOffset end() const { return HostOffset(end_.load(std::memory_order_relaxed)); }
  block::Node& node() { return file_; }

private:
  void reserve(std::uint64_t end);
  // How many of so many bytes lie before the end. Error: corrupt, if none does.
  Result<std::uint64_t> bytes_within(HostOffset offset, std::uint64_t bytes) const;
  Result<void> write_again_if_lost(HostOffset offset, const IoVector& vector);

  block::Node& file_;
  std::atomic<std::uint64_t> end_;
  // The file reaches to here, or beyond: space of the file system taken in advance. Without the
  // page cache every write that makes a file longer waits for all others, and for the allocation.
  std::atomic<std::uint64_t> reserved_end_;
  std::mutex reserve_mutex_;
  bool can_reserve_; // guarded by reserve_mutex_
  bool restores_lost_writes_ = false;
  std::unordered_set<std::uint64_t> restored_windows_; // by their offsets
  // Writes that have returned. The first stands for all that earlier processes may have written.
  std::atomic<std::uint64_t> writes_{1};
  std::atomic<std::uint64_t> durable_writes_{0}; // of these, known to be durable
};

} // namespace qcow2

#endif
