// Options and sizes as people write them.
#include "block/options.h"

#include <gtest/gtest.h>

namespace block {
namespace {

TEST(Options, DoubledCommaStandsForACommaInAValue) {
  Result<Options> options = Options::parse("file.filename=a,,b,node-name=d");
  ASSERT_TRUE(options.ok());
  EXPECT_EQ(options->take("file.filename"), "a,b");
  EXPECT_EQ(options->take("node-name"), "d");
  EXPECT_TRUE(options->empty());
}

TEST(Options, FirstElementWithoutEqualsIsTheImpliedKey) {
  Result<Options> options = Options::parse("qcow2,read-only", "driver");
  ASSERT_TRUE(options.ok());
  EXPECT_EQ(options->take("driver"), "qcow2");
  EXPECT_EQ(options->take("read-only"), "on");
}

TEST(Options, LastOfARepeatedKeyWins) {
  EXPECT_EQ(Options::parse("a=1,a=2")->take("a"), "2");
}

TEST(Options, EmptyKeyIsAnError) {
  EXPECT_FALSE(Options::parse("=x").ok());
}

TEST(Options, ChildrenLoseTheirPrefixAndLeaveTheParent) {
  Options options{{"file.driver", "file"}, {"file.filename", "f"}, {"file", "x"}, {"filex", "y"}};
  Options children = options.take_children("file");
  EXPECT_EQ(children.entries().size(), 2u);
  EXPECT_EQ(children.take("filename"), "f");
  EXPECT_EQ(options.entries().size(), 2u);
}

TEST(Options, LeftoverIsNamedInTheError) {
  Options options{{"colour", "red"}};
  EXPECT_EQ(options.expect_empty("Driver 'raw'").error().message(),
            "Driver 'raw' does not support the option 'colour'");
}

TEST(Options, BooleanTextThatIsNeitherIsAnError) {
  Options options{{"a", "maybe"}};
  EXPECT_FALSE(options.take_bool("a", false).ok());
}

TEST(ParseSize, TakesSuffixesHexAndFractions) {
  EXPECT_EQ(*parse_size("512"), 512u);
  EXPECT_EQ(*parse_size("0x200"), 512u);
  EXPECT_EQ(*parse_size("64k"), 65536u);
  EXPECT_EQ(*parse_size("1.5M"), 1572864u);
  EXPECT_EQ(*parse_size("8E"), 1ull << 63);
}

TEST(ParseSize, RefusesNonsenseAndOverflow) {
  for (const char* bad : {"", "x", "1x", "1kk", "-1", "16E", "0x1k", "1.5", "99999999999999999999"})
    EXPECT_FALSE(parse_size(bad).ok()) << bad;
}

} // namespace
} // namespace block
