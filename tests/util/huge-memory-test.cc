// HugeMemory: how much there is, and where it begins.
#include "block/util/huge-memory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <new>

namespace block {
namespace {

TEST(HugeMemory, BeginsAtAHugePageAndIsWholeOnes) {
  for (std::size_t bytes : {std::size_t{1}, HugeMemory::page_bytes, HugeMemory::page_bytes + 1}) {
    const HugeMemory memory(bytes);
    const std::span<std::byte> span = memory.span();
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(span.data()) % HugeMemory::page_bytes, 0u);
    EXPECT_EQ(span.size(),
              bytes > HugeMemory::page_bytes ? 2 * HugeMemory::page_bytes : HugeMemory::page_bytes);
    EXPECT_TRUE(std::ranges::all_of(span, [](std::byte byte) { return byte == std::byte{0}; }));
    std::ranges::fill(span, std::byte{1});
  }
}

TEST(HugeMemory, ThatTheSystemHasNotThrows) {
  EXPECT_THROW(HugeMemory(std::size_t{1} << 60), std::bad_alloc);
}

} // namespace
} // namespace block
