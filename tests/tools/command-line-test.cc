// Options and operands in any order.
#include "block/tools/common/command-line.h"

#include <gtest/gtest.h>

namespace tools {
namespace {

constexpr int long_only = 256, value_may_lack = 257;

std::optional<CommandLine> parse(std::vector<std::string> words) {
  words.insert(words.begin(), "create");
  std::vector<char*> argv;
  for (std::string& word : words)
    argv.push_back(word.data());
  argv.push_back(nullptr);
  return CommandLine::parse(static_cast<int>(words.size()), argv.data(),
                            {{'f', "format", true},
                             {'o', nullptr, true},
                             {'q', "quiet", false},
                             {long_only, "output", true},
                             {value_may_lack, "watch", true, true}});
}

TEST(CommandLine, OptionsMayFollowOperands) {
  auto line = parse({"-f", "qcow2", "file", "-q", "1M"});
  ASSERT_TRUE(line);
  EXPECT_EQ(line->operands(), (std::vector<std::string>{"file", "1M"}));
  EXPECT_EQ(line->value('f'), "qcow2");
  EXPECT_TRUE(line->has('q'));
  EXPECT_FALSE(line->has('o'));
}

TEST(CommandLine, TwoDashesEndOptions) {
  auto line = parse({"--", "-q"});
  ASSERT_TRUE(line);
  EXPECT_EQ(line->operands(), std::vector<std::string>{"-q"});
  EXPECT_FALSE(line->has('q'));
}

TEST(CommandLine, RepeatedOptionKeepsAllValuesAndTheLastCounts) {
  auto line = parse({"-o", "a", "-ob"});
  ASSERT_TRUE(line);
  EXPECT_EQ(line->values('o'), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(line->value('o'), "b");
}

TEST(CommandLine, LongNamesMayBeShortenedAndJoined) {
  auto line = parse({"--outp=json", "--format", "raw"});
  ASSERT_TRUE(line);
  EXPECT_EQ(line->value(long_only), "json");
  EXPECT_EQ(line->value('f'), "raw");
}

TEST(CommandLine, AValueThatMayLackStandsBehindAnEqualsSignOnly) {
  auto line = parse({"--watch=5", "file"});
  ASSERT_TRUE(line);
  EXPECT_EQ(line->value(value_may_lack), "5");
  line = parse({"--watch", "file"});
  ASSERT_TRUE(line);
  EXPECT_EQ(line->value(value_may_lack), "");
  EXPECT_EQ(line->operands(), std::vector<std::string>{"file"});
}

TEST(CommandLine, UnknownOptionAndMissingValueAreReported) {
  testing::internal::CaptureStderr();
  EXPECT_FALSE(parse({"--foo", "x"}));
  EXPECT_NE(testing::internal::GetCapturedStderr().find("unrecognized option '--foo'"),
            std::string::npos);
  testing::internal::CaptureStderr();
  EXPECT_FALSE(parse({"x", "-f"}));
  EXPECT_NE(testing::internal::GetCapturedStderr().find("missing argument for option '-f'"),
            std::string::npos);
}

} // namespace
} // namespace tools
