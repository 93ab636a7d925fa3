// Requests of the file driver for space: zeros, discard, length, allocation.
#include "block/file/state.h"
#include "block/file/transfer.h"
#include "block/util/aligned-buffer.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace block {
namespace {

constexpr std::uint64_t zero_buffer_bytes = 1024 * 1024;

// Returns 0 or an errno value.
int allocate(int descriptor, int mode, std::uint64_t offset, std::uint64_t bytes) {
  int failed;
  do {
    failed = fallocate(descriptor, mode, static_cast<off_t>(offset), static_cast<off_t>(bytes)) == 0
                 ? 0
                 : errno;
  } while (failed == EINTR);
  return failed;
}

// Returns whether the error means that the file system or device lacks the mode.
bool means_unsupported(int failed) {
  return failed == EOPNOTSUPP || failed == ENOSYS || failed == ENODEV;
}

// Returns 0, an errno value, or EOPNOTSUPP if the file system lacks the mode. Does not change the
// length of the file.
int try_mode(FileState& file, std::atomic<bool>& can, int mode, std::uint64_t offset,
             std::uint64_t bytes) {
  if (!can.load(std::memory_order_relaxed)) return EOPNOTSUPP;
  const int failed = allocate(file.descriptor.get(), mode, offset, bytes);
  if (failed == EINVAL) return EOPNOTSUPP; // the range is not aligned as the device needs it
  if (!means_unsupported(failed)) return failed;
  can.store(false, std::memory_order_relaxed);
  return EOPNOTSUPP;
}

// Returns 0, an errno value, or EOPNOTSUPP. Discards instead of punching, because a punched hole
// must read as zeros and not every device that discards can promise that.
int discard_blocks(int descriptor, std::uint64_t offset, std::uint64_t bytes) {
  std::uint64_t range[2] = {offset, bytes};
  if (ioctl(descriptor, BLKDISCARD, range) == 0) return 0;
  return errno == EINVAL || means_unsupported(errno) || errno == ENOTTY ? EOPNOTSUPP : errno;
}

// Extends the file to `end` if it is shorter. Writes zeros to the last block of the range, which
// the request covers. ftruncate() could undo a concurrent extension by another writer.
Result<void> extend_to(Node& node, std::uint64_t end) {
  BLOCK_TRY_ASSIGN(const std::uint64_t length, file_get_length(node));
  if (length >= end || file_state(node).is_device) return {};
  const AlignedBuffer zeros = [&] {
    AlignedBuffer buffer(node.limits().request_alignment);
    std::memset(buffer.data(), 0, buffer.size());
    return buffer;
  }();
  return write_fully(file_state(node).descriptor.get(), end - zeros.size(),
                     IoVector(zeros.data(), zeros.size()), false);
}

Result<void> write_zeros(int descriptor, std::uint64_t offset, std::uint64_t end) {
  AlignedBuffer zeros(zero_buffer_bytes);
  std::memset(zeros.data(), 0, zeros.size());
  while (offset < end) {
    const std::uint64_t bytes = std::min(zero_buffer_bytes, end - offset);
    BLOCK_TRY(write_fully(descriptor, offset, IoVector(zeros.data(), bytes), false));
    offset += bytes;
  }
  return {};
}

Result<void> grow(Node& node, std::uint64_t from, std::uint64_t to, Preallocation preallocation) {
  const int descriptor = file_state(node).descriptor.get();
  if (preallocation == Preallocation::falloc) {
    if (const int failed = allocate(descriptor, 0, from, to - from))
      return Error::from_errno(failed, "Could not preallocate data for the new file");
    return {};
  }
  if (preallocation == Preallocation::full) {
    // Writes without O_DIRECT, because the range need not be aligned.
    const int flags = fcntl(descriptor, F_GETFL);
    if (flags < 0 || fcntl(descriptor, F_SETFL, flags & ~O_DIRECT) != 0)
      return Error::from_errno(errno, "Could not prepare to write zeros");
    Result<void> written = write_zeros(descriptor, from, to);
    (void)fcntl(descriptor, F_SETFL, flags);
    if (!written)
      return std::move(written).error().context("Could not write zeros for preallocation");
    return {};
  }
  if (ftruncate(descriptor, static_cast<off_t>(to)) != 0)
    return Error::from_errno(errno, "Failed to resize the file");
  return {};
}

} // namespace

Result<void> file_pwrite_zeroes(Node& node, std::uint64_t offset, std::uint64_t bytes,
                                ZeroFlags flags) {
  FileState& file = file_state(node);
  constexpr int punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
  int failed = EOPNOTSUPP;
  if (flags.may_unmap) failed = try_mode(file, file.can_punch_holes, punch, offset, bytes);
  if (failed == EOPNOTSUPP)
    failed = try_mode(file, file.can_zero_ranges, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
                      offset, bytes);
  if (failed == EOPNOTSUPP)
    return Error(ErrorKind::unsupported, "The file system cannot write zeros efficiently");
  if (failed != 0) return Error::from_errno(failed, "write zeros failed");
  BLOCK_TRY(extend_to(node, offset + bytes));
  return flags.fua ? file_flush(node) : Result<void>();
}

Result<void> file_pdiscard(Node& node, std::uint64_t offset, std::uint64_t bytes) {
  FileState& file = file_state(node);
  constexpr int punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
  const int failed = file.is_device ? discard_blocks(file.descriptor.get(), offset, bytes)
                                    : try_mode(file, file.can_punch_holes, punch, offset, bytes);
  // A discard is advice: if it is not supported, the data just stays.
  if (failed == 0 || failed == EOPNOTSUPP) return {};
  return Error::from_errno(failed, "discard failed");
}

Result<void> file_truncate(Node& node, std::uint64_t length, Preallocation preallocation) {
  if (preallocation == Preallocation::metadata)
    return Error(ErrorKind::unsupported, "Unsupported preallocation mode 'metadata'");
  BLOCK_TRY_ASSIGN(const std::uint64_t now, file_get_length(node));
  if (file_state(node).is_device) {
    if (preallocation != Preallocation::off)
      return Error(ErrorKind::unsupported, "Preallocation is not supported for devices");
    if (length == now) return {};
    return Error(ErrorKind::invalid_argument,
                 length > now ? "Cannot grow device files" : "Cannot resize device files");
  }
  if (length < now && preallocation != Preallocation::off)
    return Error(ErrorKind::unsupported, "Preallocation can't be used for shrinking files");
  if (length > now) {
    Result<void> grown = grow(node, now, length, preallocation);
    // Frees what was preallocated in part. The caller gets the first error.
    if (!grown) (void)!ftruncate(file_state(node).descriptor.get(), static_cast<off_t>(now));
    return grown;
  }
  if (ftruncate(file_state(node).descriptor.get(), static_cast<off_t>(length)) != 0)
    return Error::from_errno(errno, "Failed to resize the file");
  return {};
}

Result<BlockStatus> file_block_status(Node& node, std::uint64_t offset, std::uint64_t bytes) {
  const int descriptor = file_state(node).descriptor.get();
  BlockStatus status;
  status.bytes = bytes;
  status.allocated = status.data = true;
  status.host_offset = offset;

  // lseek() moves the position of the descriptor, which nothing else uses.
  const off_t data = lseek(descriptor, static_cast<off_t>(offset), SEEK_DATA);
  const bool hole_to_the_end = data < 0 && errno == ENXIO;
  if (data < 0 && !hole_to_the_end) return status; // a device, or a file system without SEEK_DATA
  if (hole_to_the_end || static_cast<std::uint64_t>(data) > offset) {
    if (!hole_to_the_end) status.bytes = std::min(bytes, static_cast<std::uint64_t>(data) - offset);
    status.data = false;
    status.zero = true;
    return status;
  }
  const off_t hole = lseek(descriptor, static_cast<off_t>(offset), SEEK_HOLE);
  // The hole is not ahead only if the file changed between the two seeks.
  if (hole > 0 && static_cast<std::uint64_t>(hole) > offset)
    status.bytes = std::min(bytes, static_cast<std::uint64_t>(hole) - offset);
  return status;
}

} // namespace block
