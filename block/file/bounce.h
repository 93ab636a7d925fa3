// BounceBuffer: aligned memory for O_DIRECT, for requests whose own memory is not aligned.
#ifndef BLOCK_FILE_BOUNCE_H
#define BLOCK_FILE_BOUNCE_H

#include "block/util/aligned-buffer.h"

#include <cstdint>

namespace block {

// At least one block, at most `most_bytes` of a request. Large ones are kept for the next requests,
// a few of them: memory that is new for each request costs as much as the copy, because the kernel
// clears and maps every page of it. Any thread.
class BounceBuffer {
public:
  static constexpr std::uint64_t most_bytes = 1024 * 1024;

  explicit BounceBuffer(std::uint64_t bytes);
  ~BounceBuffer();
  BounceBuffer(const BounceBuffer&) = delete;
  BounceBuffer& operator=(const BounceBuffer&) = delete;

  std::span<std::byte> span() { return memory_.span().first(size_); }
  std::byte* data() { return memory_.data(); }
  std::uint64_t size() const { return size_; } // the request's bytes, or most_bytes

private:
  const std::uint64_t size_;
  AlignedBuffer memory_;
};

} // namespace block

#endif
