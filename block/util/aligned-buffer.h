// Memory for disk I/O: aligned to a page, so that it also works for files opened with O_DIRECT.
#ifndef BLOCK_UTIL_ALIGNED_BUFFER_H
#define BLOCK_UTIL_ALIGNED_BUFFER_H

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>
#include <span>

namespace block {

// Owns `bytes` bytes, which are not initialised. Throws std::bad_alloc as new does.
class AlignedBuffer {
public:
  static constexpr std::size_t alignment = 4096;

  AlignedBuffer() = default;
  explicit AlignedBuffer(std::size_t bytes)
      : memory_(static_cast<std::byte*>(
            std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment))),
        size_(bytes) {
    if (bytes > 0 && !memory_) throw std::bad_alloc();
  }

  std::byte* data() { return memory_.get(); }
  const std::byte* data() const { return memory_.get(); }
  std::size_t size() const { return size_; }
  std::span<std::byte> span() { return {memory_.get(), size_}; }
  std::span<const std::byte> span() const { return {memory_.get(), size_}; }

private:
  struct Free {
    void operator()(std::byte* memory) const { std::free(memory); }
  };
  std::unique_ptr<std::byte, Free> memory_;
  std::size_t size_ = 0;
};

} // namespace block

#endif
