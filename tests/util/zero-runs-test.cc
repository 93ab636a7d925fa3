// Finding zeros in data.
#include "block/util/zero-runs.h"

#include <gtest/gtest.h>
#include <vector>

namespace block {
namespace {

TEST(ZeroRuns, LeadingZerosEndAtTheFirstByteThatIsNot) {
  std::vector<std::byte> data(100);
  for (std::size_t i = 0; i < data.size(); ++i) {
    data[i] = std::byte{1};
    EXPECT_EQ(leading_zeros(data), i);
    data[i] = std::byte{0};
  }
  EXPECT_EQ(leading_zeros(data), data.size());
}

TEST(ZeroRuns, RunsEndAtBlocksOfTheImageNotOfTheBuffer) {
  std::vector<std::byte> data(4096 * 3);
  data[4096] = std::byte{1}; // in the image: 512 + 4096, within the block at 4096
  UniformRun run = first_run(data, 512, 4096);
  EXPECT_TRUE(run.zero);
  EXPECT_EQ(run.bytes, 4096u - 512);
  run = first_run(std::span(data).subspan(4096 - 512), 4096, 4096);
  EXPECT_FALSE(run.zero);
  EXPECT_EQ(run.bytes, 4096u);
}

TEST(ZeroRuns, EqualBlocksMakeOneRunUpToTheEnd) {
  std::vector<std::byte> data(10000, std::byte{7});
  UniformRun run = first_run(data, 0, 4096);
  EXPECT_FALSE(run.zero);
  EXPECT_EQ(run.bytes, data.size());
}

} // namespace
} // namespace block
