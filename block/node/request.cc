// The entry of every request to a node: checks, choice of path, statistics.
//
// A request that the driver accepts unchanged goes directly to it: no lock, no allocation. All
// other requests go through unaligned.cc.
#include "block/node/inner.h"

#include <limits>

namespace block {
namespace {

constexpr std::uint64_t max_length = std::numeric_limits<std::int64_t>::max();

void add(std::atomic<std::uint64_t>& counter, std::uint64_t count) {
  counter.fetch_add(count, std::memory_order_relaxed);
}

} // namespace

// If writes do not make the node longer, only co_truncate changes the length. Then length_ is
// returned, so that no caller gets a length that requests may not use yet.
Result<std::uint64_t> Node::co_get_length() {
  Inner& node = Inner::of(*this);
  BLOCK_TRY(node.check_open());
  if (!limits_.grows_on_write) return node.length_.load(std::memory_order_relaxed);
  return node.length_of_driver();
}

Result<std::uint64_t> Node::Inner::length_of_driver() {
  BLOCK_TRY_ASSIGN(const std::uint64_t length, driver_->co_get_length
                                                   ? call("co_get_length", driver_->co_get_length)
                                                   : file()->co_get_length());
  if (length > max_length)
    return Error(ErrorKind::unsupported, EFBIG, "Node '" + name_ + "' is too long");
  return length;
}

Result<void> Node::Inner::counted_read(Read kind, std::uint64_t offset, const IoVector& vector) {
  Result<void> result = read(kind, offset, vector);
  if (!result) {
    add(stats_.failed_operations, 1);
    return result;
  }
  add(stats_.read_operations, 1);
  add(stats_.read_bytes, vector.size());
  return result;
}

Result<void> Node::co_readv(std::uint64_t offset, const IoVector& vector) {
  return Inner::of(*this).counted_read({"co_readv", driver_->co_readv}, offset, vector);
}

Result<void> Node::co_read_medium(std::uint64_t offset, const IoVector& vector) {
  if (!driver_->co_read_medium)
    return Error(ErrorKind::unsupported,
                 "Node '" + name() + "' does not tell what is on the medium");
  return Inner::of(*this).counted_read({"co_read_medium", driver_->co_read_medium}, offset, vector);
}

Result<void> Node::co_writev(std::uint64_t offset, const IoVector& vector, WriteFlags flags) {
  Inner& node = Inner::of(*this);
  Result<void> result = node.write(offset, vector, flags);
  if (!result) {
    add(node.stats_.failed_operations, 1);
    return result;
  }
  add(node.stats_.write_operations, 1);
  add(node.stats_.written_bytes, vector.size());
  return result;
}

Result<void> Node::co_pwrite_zeroes(std::uint64_t offset, std::uint64_t bytes, ZeroFlags flags) {
  Inner& node = Inner::of(*this);
  Result<void> result = node.write_zeroes(offset, bytes, flags);
  if (!result) {
    add(node.stats_.failed_operations, 1);
    return result;
  }
  add(node.stats_.zero_operations, 1);
  add(node.stats_.zeroed_bytes, bytes);
  return result;
}

Result<void> Node::co_pdiscard(std::uint64_t offset, std::uint64_t bytes) {
  Inner& node = Inner::of(*this);
  Result<void> result = node.discard(offset, bytes);
  if (!result) {
    add(node.stats_.failed_operations, 1);
    return result;
  }
  add(node.stats_.discard_operations, 1);
  add(node.stats_.discarded_bytes, bytes);
  return result;
}

Result<void> Node::co_flush() {
  Inner& node = Inner::of(*this);
  Result<void> result = node.flush();
  add(result ? node.stats_.flush_operations : node.stats_.failed_operations, 1);
  return result;
}

Result<void> Node::co_truncate(std::uint64_t length, Preallocation preallocation) {
  return Inner::of(*this).truncate(length, preallocation);
}

Result<void> Node::Inner::check_range(std::uint64_t offset, std::uint64_t bytes, const char* verb) {
  BLOCK_TRY(check_serving());
  std::uint64_t length = length_.load(std::memory_order_relaxed);
  auto within = [&] { return offset <= length && bytes <= length - offset; };
  if (within()) return {};
  // A file that is read while another process writes it (force-share) may have grown.
  if (limits_.grows_on_write) {
    BLOCK_TRY_ASSIGN(length, length_of_driver());
    raise_length(length);
    if (within()) return {};
  }
  return Error(ErrorKind::invalid_argument, EIO,
               "Node '" + name_ + "': cannot " + verb + " " + std::to_string(bytes) +
                   " bytes at offset " + std::to_string(offset) + ", beyond the end at " +
                   std::to_string(length));
}

Result<void> Node::Inner::check_write(std::uint64_t offset, std::uint64_t bytes, const char* verb) {
  BLOCK_TRY(check_writable());
  if (!limits_.grows_on_write) return check_range(offset, bytes, verb);
  BLOCK_TRY(check_serving());
  if (offset > max_length || bytes > max_length - offset)
    return Error(ErrorKind::invalid_argument, EFBIG,
                 "Node '" + name_ + "': cannot " + verb + " beyond the largest offset");
  return {};
}

void Node::Inner::raise_length(std::uint64_t length) {
  std::uint64_t known = length_.load(std::memory_order_relaxed);
  while (known < length &&
         !length_.compare_exchange_weak(known, length, std::memory_order_relaxed)) {
  }
}

bool Node::Inner::wants_zero_detection(const IoVector& vector) const {
  return detect_zeroes_ > DetectZeroes::off && !driver_->detects_zeroes && vector.is_zero();
}

Result<void> Node::Inner::read(Read kind, std::uint64_t offset, const IoVector& vector) {
  const std::uint64_t bytes = vector.size();
  BLOCK_TRY(check_range(offset, bytes, "read"));
  if (bytes == 0) return {};
  if (!aligned(offset, bytes)) return read_unaligned(kind, offset, vector);
  if (bytes > limits_.max_transfer) return read_pieces(kind, offset, vector);
  return call_request(kind.name, kind.entry, offset, vector);
}

Result<void> Node::Inner::write(std::uint64_t offset, const IoVector& vector, WriteFlags flags) {
  const std::uint64_t bytes = vector.size();
  BLOCK_TRY(check_write(offset, bytes, "write"));
  if (bytes == 0) return flags.fua ? flush() : Result<void>();
  if (wants_zero_detection(vector)) {
    ZeroFlags zero_flags;
    zero_flags.fua = flags.fua;
    zero_flags.may_unmap = detect_zeroes_ == DetectZeroes::unmap;
    return write_zeroes(offset, bytes, zero_flags);
  }
  const bool flush_after = flags.fua && (!driver_->supports_fua || cache_no_flush_);
  if (flush_after) flags.fua = false;
  if (touches_guarded_head(offset)) {
    BLOCK_TRY(write_guarded_head(offset, vector, flags));
  } else if (write_ranges_ || bytes > limits_.max_transfer) {
    BLOCK_TRY(write_unaligned(offset, vector, flags));
  } else {
    BLOCK_TRY(write_piece(offset, vector, flags));
  }
  return flush_after ? flush() : Result<void>();
}

Result<void> Node::Inner::flush() {
  BLOCK_TRY(check_open());
  if (read_only_) return {}; // nothing was written through it
  if (driver_->is_protocol && cache_no_flush_) return {};
  if (driver_->co_flush) return call_request("co_flush", driver_->co_flush);
  return file() && !file()->read_only() ? file()->co_flush() : Result<void>();
}

Result<void> Node::Inner::discard(std::uint64_t offset, std::uint64_t bytes) {
  BLOCK_TRY(check_writable());
  BLOCK_TRY(check_range(offset, bytes, "discard"));
  if (!driver_->co_pdiscard || !discard_) return {};
  // Only whole blocks can be discarded; partial blocks at both ends stay.
  const std::uint64_t align = limits_.request_alignment;
  const std::uint64_t begin = (offset + align - 1) / align * align;
  const std::uint64_t end = (offset + bytes) / align * align;
  if (begin >= end) return {};
  return call_request("co_pdiscard", driver_->co_pdiscard, begin, end - begin);
}

Result<void> Node::Inner::truncate(std::uint64_t length, Preallocation preallocation) {
  std::lock_guard hold(truncate_mutex_);
  BLOCK_TRY(check_serving());
  BLOCK_TRY(check_writable());
  if (!driver_->co_truncate)
    return Error(ErrorKind::unsupported, "Image format driver does not support resize");
  if (length > max_length)
    return Error(ErrorKind::invalid_argument, EFBIG, "The new size is too large");
  // Read-modify-write depends on the end of the file, so no write may run meanwhile.
  std::optional<RangeLock::Guard> no_writes;
  if (write_ranges_) no_writes.emplace(*write_ranges_, 0, UINT64_MAX, RangeLock::Mode::exclusive);
  Result<void> truncated = call_request("co_truncate", driver_->co_truncate, length, preallocation);
  // The driver is asked in any case: a failed truncation may have been done in part.
  BLOCK_TRY_ASSIGN(std::uint64_t now, length_of_driver());
  length_.store(now, std::memory_order_relaxed);
  return truncated;
}

} // namespace block
