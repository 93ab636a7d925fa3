// Tests with images whose metadata is damaged at random: nothing crashes, repairs converge, and
// guest data is never touched. The seeds are fixed, so every run is the same.
#include "tests/qcow2/check/check-image.h"

#include <gtest/gtest.h>
#include <random>

namespace qcow2 {
namespace {

class Mutated : public testing::TestWithParam<unsigned> {
protected:
  // Damages bytes where metadata has meaning: entries in use, and the rest of the tables.
  static void damage(CheckImage& image, std::mt19937& random) {
    auto pick = [&](std::uint64_t below) { return random() % below; };
    std::uint64_t entries = image.cluster_bytes() / 8;
    for (unsigned changes = 1 + random() % 6; changes > 0; --changes) {
      std::uint64_t tables[] = {image.offset(CheckImage::refcount_table),
                                image.offset(CheckImage::refcount_block), image.offset(image.l1()),
                                image.offset(image.l2())};
      std::uint64_t at = tables[pick(4)] + (pick(2) ? pick(8) : pick(entries)) * 8;
      switch (pick(4)) {
      case 0: // a byte
        image.bytes()[at + pick(8)] = static_cast<std::byte>(random());
        break;
      case 1: // a bit
        image.set64(at, image.get64(at) ^ (std::uint64_t{1} << pick(64)));
        break;
      case 2: // a plausible place
        image.set64(at, image.offset(pick(image.end() + 3)) | (pick(2) ? copied_flag : 0) |
                            (pick(8) ? 0 : compressed_flag) | (pick(8) ? 0 : 0x200));
        break;
      default: // anything
        image.set64(at, (std::uint64_t{random()} << 32) | random());
      }
    }
  }
};

TEST_P(Mutated, IsRepairedWithoutTouchingData) {
  std::mt19937 random(GetParam());
  unsigned cluster_bits = GetParam() % 2 ? 9 : 12;
  for (unsigned round = 0; round < 60; ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    CheckImage image({cluster_bits, static_cast<unsigned>(random() % 7), 48, 20});
    damage(image, random);
    CheckImage before = image;
    CheckOutcome found = image.check();
    ASSERT_EQ(found.error, "");
    ASSERT_TRUE(image.bytes() == before.bytes()) << "a check changed the image";

    CheckOutcome outcome = image.repair_all();
    ASSERT_EQ(outcome.error, "");
    // A data cluster that no entry names any more may be used by the new refcount structure only if
    // its refcount said so too; damage that hides both is the one way to lose it.
    std::uint64_t hidden = 0;
    for (std::uint64_t cluster = image.data(); cluster < image.end(); ++cluster)
      if (before.refcount(cluster) != 0)
        for (std::uint64_t at = image.offset(cluster); at < image.offset(cluster + 1); ++at)
          hidden += image.bytes()[at] != before.bytes()[at];
    ASSERT_EQ(hidden, 0u) << "data was touched: " << testing::PrintToString(outcome.lines);

    CheckOutcome again = image.check();
    ASSERT_EQ(again.error, "");
    ASSERT_LE(again.report.corruptions, outcome.report.corruptions)
        << testing::PrintToString(outcome.lines) << testing::PrintToString(again.lines);
    ASSERT_LE(again.report.leaks, outcome.report.leaks)
        << testing::PrintToString(outcome.lines) << testing::PrintToString(again.lines);
    ASSERT_EQ(again.report.check_errors, 0u);
    auto settled = image.bytes();
    image.repair_all();
    ASSERT_TRUE(image.bytes() == settled)
        << "a second repair found more to do: " << testing::PrintToString(outcome.lines)
        << testing::PrintToString(again.lines);
  }
}

TEST_P(Mutated, IsRepairedAfterACrashWithoutTouchingData) {
  std::mt19937 random(GetParam() + 1000);
  for (unsigned round = 0; round < 30; ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    CheckImage image({9, 4, 48, 20});
    damage(image, random);
    image.set_features(bit(incompatible::dirty_bit));
    CheckOutcome outcome = image.repair_after_crash();
    ASSERT_EQ(outcome.error, "");
    bool clean = outcome.report.corruptions == 0 && outcome.report.check_errors == 0;
    ASSERT_EQ(image.features(), clean ? 0u : 1u);
    CheckOutcome again = image.check();
    ASSERT_LE(again.report.corruptions, outcome.report.corruptions)
        << testing::PrintToString(again.lines);
    if (clean && round % 10 == 0) {
      ASSERT_LE(image.stock_check(), 0);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Check, Mutated, testing::Range(1u, 13u));

} // namespace
} // namespace qcow2
