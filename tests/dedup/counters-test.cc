// Every counter reaches its own field of DedupInfo.
#include "block/dedup/counters.h"

#include <gtest/gtest.h>

namespace dedup {
namespace {

TEST(Counters, FillTheFieldsOfTheSameNames) {
  Counters counters;
  std::uint64_t added = 0, expected = 0;
#define ADD_TO_COUNTER(name, documentation) counters.name.add(++added);
  BLOCK_DEDUP_COUNTERS(ADD_TO_COUNTER)
#undef ADD_TO_COUNTER
  block::DedupInfo info;
  info.index_bytes = 99;
  counters.fill(info);
#define EXPECT_FIELD(name, documentation) EXPECT_EQ(info.name, ++expected) << #name;
  BLOCK_DEDUP_COUNTERS(EXPECT_FIELD)
#undef EXPECT_FIELD
  EXPECT_GE(expected, 16u);
  EXPECT_EQ(info.index_bytes, 99u);
}

TEST(Counter, AddsOneUnlessToldMore) {
  Counter counter;
  counter.add();
  counter.add(4);
  EXPECT_EQ(counter.value(), 5u);
}

} // namespace
} // namespace dedup
