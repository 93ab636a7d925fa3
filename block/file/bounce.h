// BounceBuffer: aligned memory for O_DIRECT, for requests whose own memory is not aligned.
#ifndef BLOCK_FILE_BOUNCE_H
#define BLOCK_FILE_BOUNCE_H

#include <cstddef>
#include <cstdint>
#include <span>

namespace block {

class BounceRegion;

// Memory for one piece of a request: `bytes` bytes, but at most `most_bytes`. It is aligned to a
// page at least. Freed memory is kept for later requests, as much as a few busy connections need.
// Memory that is new for each request would cost as much as the copy itself, because the kernel
// clears and maps every page of it. Any thread. Throws std::bad_alloc.
class BounceBuffer {
public:
  static constexpr std::uint64_t most_bytes = 1024 * 1024;

  explicit BounceBuffer(std::uint64_t bytes);
  ~BounceBuffer();
  BounceBuffer(const BounceBuffer&) = delete;
  BounceBuffer& operator=(const BounceBuffer&) = delete;

  std::span<std::byte> span() { return span_; }
  std::byte* data() { return span_.data(); }
  std::uint64_t size() const { return span_.size(); } // the request's bytes, or most_bytes

private:
  BounceRegion* region_; // the region that the memory belongs to
  std::span<std::byte> span_;
};

} // namespace block

#endif
