// buffer_is_zero finds every single byte, at every place, length and alignment.
#include "block/util/zero.h"

#include <gtest/gtest.h>

#include <vector>

namespace block {
namespace {

TEST(BufferIsZero, IsTrueForZerosOfEveryLengthAndAlignment) {
  const std::vector<std::byte> zeros(1200);
  for (std::size_t start = 0; start < 16; ++start)
    for (std::size_t length = 0; length < 1100; ++length)
      ASSERT_TRUE(buffer_is_zero({zeros.data() + start, length})) << start << ' ' << length;
}

TEST(BufferIsZero, SeesOneSetBitAtEveryPlace) {
  for (const std::size_t length : {1u, 7u, 8u, 9u, 255u, 256u, 257u, 511u, 512u, 1023u, 4096u}) {
    std::vector<std::byte> data(length);
    for (std::size_t place = 0; place < length; ++place) {
      data[place] = std::byte{1 << 7};
      ASSERT_FALSE(buffer_is_zero(data)) << place << " of " << length;
      data[place] = std::byte{0};
    }
  }
}

TEST(BufferIsZero, LooksAtNothingOutsideTheBuffer) {
  std::vector<std::byte> data(600, std::byte{0xFF});
  for (std::size_t i = 40; i < 560; ++i)
    data[i] = std::byte{0};
  EXPECT_TRUE(buffer_is_zero({data.data() + 40, 520}));
  EXPECT_FALSE(buffer_is_zero({data.data() + 39, 520}));
  EXPECT_FALSE(buffer_is_zero({data.data() + 41, 520}));
}

} // namespace
} // namespace block
