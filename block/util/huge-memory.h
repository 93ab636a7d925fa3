// Memory in huge pages, for the content of large disk requests.
#ifndef BLOCK_UTIL_HUGE_MEMORY_H
#define BLOCK_UTIL_HUGE_MEMORY_H

#include <cstddef>
#include <span>

namespace block {

// At least `bytes` bytes, which begin at a huge page and are zero at first. Owns the memory. Throws
// std::bad_alloc as new does. Without a free huge page it is ordinary memory.
//
// With O_DIRECT, each physically contiguous run of pages is one segment of a request to the disk.
// Of scattered pages each is a segment of its own. Segments cost the disk time, and a request can
// have only few: a virtio disk transferred 1 MiB three times as fast from a huge page.
class HugeMemory {
public:
  static constexpr std::size_t page_bytes = 2 * 1024 * 1024;

  explicit HugeMemory(std::size_t bytes);
  ~HugeMemory();
  HugeMemory(const HugeMemory&) = delete;
  HugeMemory& operator=(const HugeMemory&) = delete;

  std::span<std::byte> span() const { return memory_; }

private:
  std::span<std::byte> memory_;
};

} // namespace block

#endif
