// The judge of histories itself, on histories of which the answer is known.
#include "tests/stress/history.h"

#include <gtest/gtest.h>
#include <random>

namespace stress {
namespace {

Operation read(std::uint64_t value, Time begin, Time end) {
  return {Operation::Kind::read, value, begin, end, 1};
}
Operation write(std::uint64_t value, Time begin, Time end) {
  return {Operation::Kind::write, value, begin, end, 2};
}

TEST(History, AcceptsWhatOneThreadDoes) {
  EXPECT_EQ(fault_of(0, {read(0, 1, 2), write(1, 3, 4), read(1, 5, 6), write(2, 7, 8)}), "");
}

TEST(History, AcceptsTheOldOrTheNewValueWhileAWriteRuns) {
  EXPECT_EQ(fault_of(0, {write(1, 10, 20), read(0, 11, 12), read(1, 13, 14), read(1, 21, 22)}), "");
  EXPECT_EQ(fault_of(0, {write(1, 10, 20), read(1, 11, 19), read(0, 11, 19)}), "");
}

TEST(History, AcceptsWritesThatMeetInEitherOrder) {
  EXPECT_EQ(fault_of(0, {write(1, 10, 20), write(2, 10, 20), read(1, 21, 22)}), "");
  EXPECT_EQ(fault_of(0, {write(1, 10, 20), write(2, 10, 20), read(2, 21, 22)}), "");
}

TEST(History, RefusesAnOldValueAfterAWriteHasEnded) {
  EXPECT_NE(fault_of(0, {write(1, 10, 20), read(0, 21, 22)}), "");
  EXPECT_NE(fault_of(0, {write(1, 1, 2), write(2, 3, 4), read(1, 5, 6)}), "");
}

TEST(History, RefusesReadsThatGoBackInTime) {
  EXPECT_NE(fault_of(0, {write(1, 10, 30), read(1, 11, 12), read(0, 13, 14)}), "");
  EXPECT_NE(fault_of(0, {write(1, 10, 30), write(2, 10, 30), read(1, 31, 32), read(2, 33, 34)}),
            "");
}

TEST(History, RefusesAValueBeforeItsWriteAndOneThatNobodyWrote) {
  EXPECT_NE(fault_of(0, {read(1, 1, 2), write(1, 3, 4)}), "");
  EXPECT_NE(fault_of(0, {read(7, 1, 2)}), "");
}

TEST(History, RefusesAWriteForWhichNoMomentIsLeft) {
  EXPECT_NE(fault_of(0, {write(1, 1, 2), write(2, 10, 12), read(2, 11, 13), read(1, 20, 21)}), "");
}

// Operations that take effect at a moment of their own are always in order; and one value that is
// exchanged for an older one is not, unless that was still possible.
TEST(History, AcceptsEveryHistoryThatHappenedAtMoments) {
  std::mt19937 random(1);
  for (int round = 0; round < 200; ++round) {
    std::vector<Operation> operations;
    std::uint64_t value = 0;
    for (Time moment = 100; moment < 2100; moment += 10) {
      const Time begin = moment - static_cast<Time>(random() % 60);
      const Time end = moment + static_cast<Time>(random() % 60);
      operations.push_back(random() % 2 ? write(++value, begin, end) : read(value, begin, end));
    }
    ASSERT_EQ(fault_of(0, operations), "");
    operations.push_back(read(value - 10, 3000, 3001));
    ASSERT_NE(fault_of(0, operations), "");
  }
}

} // namespace
} // namespace stress
