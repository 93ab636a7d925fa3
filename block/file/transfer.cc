// Reading and writing in full.
#include "block/file/transfer.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <sys/uio.h>

namespace block {
namespace {

// The part of a vector that is not transferred yet, handed to the kernel in batches of segments.
class Remainder {
public:
  explicit Remainder(std::span<const iovec> segments) : segments_(segments) { advance(0); }

  bool empty() const { return segments_.empty(); }

  std::span<const iovec> next_batch() {
    const std::size_t count = std::min(segments_.size(), batch_.size());
    std::copy_n(segments_.begin(), count, batch_.begin());
    if (count > 0) {
      batch_[0].iov_base = static_cast<std::byte*>(batch_[0].iov_base) + done_in_first_;
      batch_[0].iov_len -= done_in_first_;
    }
    return std::span(batch_).first(count);
  }

  // Also skips empty segments, so that a transfer of 0 bytes always means the end of the file.
  void advance(std::size_t bytes) {
    done_in_first_ += bytes;
    while (!segments_.empty() && done_in_first_ >= segments_.front().iov_len) {
      done_in_first_ -= segments_.front().iov_len;
      segments_ = segments_.subspan(1);
    }
  }

private:
  std::span<const iovec> segments_;
  std::size_t done_in_first_ = 0; // already transferred bytes of segments_.front()
  std::array<iovec, 64> batch_;
};

} // namespace

Result<std::uint64_t> read_fully(int descriptor, std::uint64_t offset, const IoVector& vector) {
  std::uint64_t done = 0;
  for (Remainder rest(vector.segments()); !rest.empty();) {
    std::span<const iovec> batch = rest.next_batch();
    const ssize_t got = preadv(descriptor, batch.data(), static_cast<int>(batch.size()),
                               static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Error::from_errno(errno, "read failed");
    if (got == 0) break;
    done += static_cast<std::uint64_t>(got);
    rest.advance(static_cast<std::size_t>(got));
  }
  return done;
}

Result<void> write_fully(int descriptor, std::uint64_t offset, const IoVector& vector,
                         bool durable) {
  std::uint64_t done = 0;
  for (Remainder rest(vector.segments()); !rest.empty();) {
    std::span<const iovec> batch = rest.next_batch();
    const ssize_t put = pwritev2(descriptor, batch.data(), static_cast<int>(batch.size()),
                                 static_cast<off_t>(offset + done), durable ? RWF_DSYNC : 0);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return Error::from_errno(errno, "write failed");
    // Not known to happen with a regular file, but a retry could loop endlessly.
    if (put == 0) return Error(ErrorKind::no_space, "write failed: nothing was written");
    done += static_cast<std::uint64_t>(put);
    rest.advance(static_cast<std::size_t>(put));
  }
  return {};
}

} // namespace block
