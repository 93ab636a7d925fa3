// What dedup-io prints about a request.
#include "block/tools/io/report.h"

#include <gtest/gtest.h>
#include <vector>

namespace tools::io {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(Report, SaysWhatHowMuchAndHowFast) {
  EXPECT_EQ(format_report({"wrote", 512, 65536, milliseconds(250), false}),
            "wrote 65536/65536 bytes at offset 512\n"
            "64 KiB, 1 ops; 00.25 sec (256 KiB/sec and 4.0000 ops/sec)\n");
}

TEST(Report, LongTimesHaveHoursAndMinutes) {
  std::string text = format_report({"read", 0, 0, seconds(3725), false});
  EXPECT_NE(text.find("; 1:02:05.00 (0 bytes/sec"), std::string::npos) << text;
}

TEST(Report, MachinesGetCommaSeparatedNumbers) {
  EXPECT_EQ(format_report({"read", 0, 1024, milliseconds(500), true}),
            "1024,1,0:00:00.50,2048.000,2.000\n");
}

TEST(Report, DumpShowsHexAndLetters) {
  std::vector<std::byte> data(18, std::byte{'A'});
  data[1] = std::byte{0};
  EXPECT_EQ(format_dump(data, 16),
            "00000010:  41 00 41 41 41 41 41 41 41 41 41 41 41 41 41 41  A.AAAAAAAAAAAAAA\n"
            "00000020:  41 41  AA\n");
}

TEST(Report, PatternMismatchNamesTheCheckedRange) {
  std::vector<std::byte> data(100, std::byte{1});
  EXPECT_EQ(verify_pattern(data, std::byte{1}, 7), "");
  data.back() = std::byte{2};
  EXPECT_EQ(verify_pattern(data, std::byte{1}, 7),
            "Pattern verification failed at offset 7, 100 bytes\n");
}

TEST(Report, PatternsAreBytes) {
  EXPECT_EQ(parse_pattern("0"), std::byte{0});
  EXPECT_EQ(parse_pattern("0xff"), std::byte{255});
  EXPECT_EQ(parse_pattern("010"), std::byte{8});
  testing::internal::CaptureStdout();
  for (const char* bad : {"", "x", "-1", "256", "0x", "08", "1 "})
    EXPECT_FALSE(parse_pattern(bad)) << bad;
  EXPECT_NE(testing::internal::GetCapturedStdout().find("256 is not a valid pattern byte\n"),
            std::string::npos);
}

TEST(Report, LengthsHaveALimit) {
  EXPECT_EQ(parse_length("2147483136"), 2147483136u);
  testing::internal::CaptureStdout();
  EXPECT_FALSE(parse_length("3G", " without -n"));
  EXPECT_EQ(testing::internal::GetCapturedStdout(),
            "length cannot exceed 2147483136 without -n, given 3G\n");
}

} // namespace
} // namespace tools::io
