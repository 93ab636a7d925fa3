// The buffers that are kept between requests.
#include "block/file/bounce.h"

#include <algorithm>
#include <mutex>
#include <vector>

namespace block {
namespace {

// Below, the allocator keeps memory by itself.
constexpr std::uint64_t least_kept_bytes = 64 * 1024;
// As many as a few busy connections have in flight.
constexpr std::size_t most_kept = 16;

class Kept {
public:
  AlignedBuffer take() {
    {
      std::lock_guard hold(mutex_);
      if (!buffers_.empty()) {
        AlignedBuffer buffer = std::move(buffers_.back());
        buffers_.pop_back();
        return buffer;
      }
    }
    return AlignedBuffer(BounceBuffer::most_bytes);
  }
  void give(AlignedBuffer buffer) {
    std::lock_guard hold(mutex_);
    if (buffers_.size() < most_kept) buffers_.push_back(std::move(buffer));
  }

private:
  std::mutex mutex_;
  std::vector<AlignedBuffer>
      buffers_; // the one used last is taken first: its memory is in the cache
};

Kept& kept() {
  static Kept buffers;
  return buffers;
}

} // namespace

BounceBuffer::BounceBuffer(std::uint64_t bytes)
    : size_(std::min(bytes, most_bytes)),
      memory_(size_ >= least_kept_bytes ? kept().take() : AlignedBuffer(size_)) {}

BounceBuffer::~BounceBuffer() {
  if (size_ >= least_kept_bytes) kept().give(std::move(memory_));
}

} // namespace block
