// Sizes as people write and read them.
#include "block/tools/common/sizes.h"

#include <gtest/gtest.h>

namespace tools {
namespace {

SizeFault fault_of(const char* text) {
  std::uint64_t bytes = 0;
  return read_size(text, bytes);
}

TEST(Sizes, ANumberThatIsTooLargeIsToldFromOneThatIsNone) {
  EXPECT_EQ(fault_of("9223372036854775807"), SizeFault::none);
  EXPECT_EQ(fault_of("8E"), SizeFault::out_of_range);
  EXPECT_EQ(fault_of("8192P"), SizeFault::out_of_range);
  EXPECT_EQ(fault_of("18446744073709551616"), SizeFault::out_of_range);
  EXPECT_EQ(fault_of("0x10000000000000000"), SizeFault::out_of_range);
  for (const char* text :
       {"", " ", "+", "x", "1Mx", "-1", "+-1", "++1", "+ 1", "1 ", "0x", "1.5", "k"})
    EXPECT_EQ(fault_of(text), SizeFault::malformed) << text;
}

TEST(Sizes, BlanksAndAPlusSignMayStandInFront) {
  for (const char* text : {"+1k", " 1k", "\t +1k"}) {
    std::uint64_t bytes = 0;
    EXPECT_EQ(read_size(text, bytes), SizeFault::none) << text;
    EXPECT_EQ(bytes, 1024u);
  }
}

TEST(Sizes, TheCallerMaySayHowLargeOneMayBe) {
  std::uint64_t bytes = 0;
  EXPECT_EQ(read_size("9E", bytes, UINT64_MAX), SizeFault::none);
  EXPECT_EQ(read_size("16E", bytes, UINT64_MAX), SizeFault::out_of_range);
  EXPECT_EQ(read_size("513", bytes, 512), SizeFault::out_of_range);
}

TEST(Sizes, ShortFormHasThreeDigitsAndTakesTheNextUnitFromAThousandOn) {
  EXPECT_EQ(format_size(0), "0 B");
  EXPECT_EQ(format_size(196 * 1024), "196 KiB");
  EXPECT_EQ(format_size(999 * 1024), "999 KiB");
  EXPECT_EQ(format_size(1000 * 1024), "0.977 MiB");
  EXPECT_EQ(format_size(1536 * 1024), "1.5 MiB");
  EXPECT_EQ(format_size(1500160), "1.43 MiB");
  EXPECT_EQ(format_size(1234567890432), "1.12 TiB");
  EXPECT_EQ(format_size(UINT64_MAX), "16 EiB");
}

TEST(Sizes, ExactFormHasThreeDecimalsUnlessWhole) {
  EXPECT_EQ(format_exact_size(0), "0 bytes");
  EXPECT_EQ(format_exact_size(1000), "1000 bytes");
  EXPECT_EQ(format_exact_size(65536), "64 KiB");
  EXPECT_EQ(format_exact_size(1049600), "1.001 MiB");
  EXPECT_EQ(format_exact_size(1000 * 1024), "1000 KiB");
  EXPECT_EQ(format_amount(42.5), "42.500000 bytes");
}

} // namespace
} // namespace tools
