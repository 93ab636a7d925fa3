// HugeMemory: a mapping of its own, because memory from malloc would stay huge for its next user.
#include "block/util/huge-memory.h"

#include <algorithm>
#include <cstdint>
#include <new>
#include <sys/mman.h>

namespace block {

HugeMemory::HugeMemory(std::size_t bytes) {
  const std::size_t pages = std::max<std::size_t>(1, bytes / page_bytes + (bytes % page_bytes > 0));
  const std::size_t size = pages * page_bytes;
  // The kernel may begin a mapping at any page. So one huge page more is mapped, and the parts
  // before and after the aligned range are unmapped.
  void* const mapped =
      mmap(nullptr, size + page_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) throw std::bad_alloc();
  std::byte* const begin = static_cast<std::byte*>(mapped);
  const std::size_t before = -reinterpret_cast<std::uintptr_t>(begin) % page_bytes;
  if (before > 0) munmap(begin, before);
  munmap(begin + before + size, page_bytes - before);
  memory_ = {begin + before, size};
  madvise(memory_.data(), size, MADV_HUGEPAGE); // a hint: kernels without huge pages refuse it
}

HugeMemory::~HugeMemory() {
  munmap(memory_.data(), memory_.size());
}

} // namespace block
