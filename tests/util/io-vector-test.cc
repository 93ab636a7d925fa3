// IoVector: ranges over several segments.
#include "block/io-vector.h"

#include <gtest/gtest.h>
#include <string>

namespace block {
namespace {

class TwoSegments : public testing::Test {
protected:
  std::string first = "abc", second = "defgh";
  IoVector vector{std::vector<iovec>{{first.data(), 3}, {second.data(), 5}}};

  std::string read(const IoVector& from, std::uint64_t offset, std::size_t bytes) {
    std::string text(bytes, '?');
    from.copy_to(offset, std::as_writable_bytes(std::span(text)));
    return text;
  }
};

TEST_F(TwoSegments, CopyCrossesTheBorder) {
  EXPECT_EQ(read(vector, 1, 4), "bcde");
}

TEST_F(TwoSegments, SliceNamesTheSameMemory) {
  IoVector middle = vector.slice(2, 3);
  EXPECT_EQ(middle.size(), 3u);
  middle.fill(0, 3, std::byte{'-'});
  EXPECT_EQ(first + second, "ab---fgh");
}

TEST_F(TwoSegments, ContiguousOnlyWithinOneSegment) {
  EXPECT_EQ(vector.contiguous(3, 5), reinterpret_cast<const std::byte*>(second.data()));
  EXPECT_EQ(vector.contiguous(2, 2), nullptr);
}

TEST_F(TwoSegments, AreZeroOnlyIfBothAre) {
  EXPECT_FALSE(vector.is_zero());
  first.assign(3, '\0');
  EXPECT_FALSE(vector.is_zero());
  second.assign(5, '\0');
  EXPECT_TRUE(vector.is_zero());
  second.back() = 1;
  EXPECT_FALSE(vector.is_zero());
  EXPECT_TRUE(IoVector().is_zero());
}

TEST_F(TwoSegments, AppendKeepsTheOrder) {
  std::string third = "xy";
  IoVector all(third.data(), third.size());
  all.append(vector);
  EXPECT_EQ(read(all, 0, 10), "xyabcdefgh");
}

TEST_F(TwoSegments, AppendJoinsWhatFollowsInMemory) {
  std::string text = "abcdef";
  IoVector all(text.data(), 2);
  all.append(IoVector(text.data() + 2, 1));
  EXPECT_EQ(all.segments().size(), 1u);
  all.append(IoVector(text.data() + 4, 1));
  all.append(IoVector(text.data() + 5, 1));
  EXPECT_EQ(all.segments().size(), 2u);
  EXPECT_EQ(read(all, 0, 5), "abcef");
}

} // namespace
} // namespace block
