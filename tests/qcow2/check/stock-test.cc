// Tests that a check says of a damaged image what stock qemu-img check says, line by line.
#include "tests/qcow2/check/check-image.h"

#include <functional>
#include <gtest/gtest.h>

namespace qcow2 {
namespace {

struct Damage {
  const char* name;
  std::function<void(CheckImage&)> apply;
};

void PrintTo(const Damage& damage, std::ostream* out) {
  *out << damage.name;
}

class SameAsStock : public testing::TestWithParam<Damage> {};

TEST_P(SameAsStock, FindsTheSame) {
  CheckImage image;
  GetParam().apply(image);
  std::vector<std::string> stock_lines;
  int stock_exit = image.stock_check(&stock_lines);
  if (stock_exit < 0) GTEST_SKIP() << "qemu-img is not installed";
  CheckOutcome outcome = image.check();
  EXPECT_EQ(outcome.lines, stock_lines);
  int exit = outcome.report.corruptions > 0 ? 2 : outcome.report.leaks > 0 ? 3 : 0;
  EXPECT_EQ(exit, stock_exit);
}

TEST_P(SameAsStock, LeavesNothingForStockThatItDoesNotReport) {
  CheckImage image;
  GetParam().apply(image);
  image.repair_all();
  int stock_exit = image.stock_check();
  if (stock_exit < 0) GTEST_SKIP() << "qemu-img is not installed";
  CheckOutcome outcome = image.check();
  int exit = outcome.report.corruptions > 0 ? 2 : outcome.report.leaks > 0 ? 3 : 0;
  EXPECT_EQ(exit, stock_exit);
}

INSTANTIATE_TEST_SUITE_P(
    Check, SameAsStock,
    testing::Values(
        Damage{"Nothing", [](CheckImage&) {}},
        Damage{"RefcountZero", [](CheckImage& image) { image.set_refcount(5, 0); }},
        Damage{"RefcountTooHigh", [](CheckImage& image) { image.set_refcount(5, 2); }},
        Damage{"LeakAtTheEnd",
               [](CheckImage& image) {
                 image.bytes().resize(image.offset(20));
                 image.set_refcount(18, 1);
               }},
        Damage{"RefcountBeyondTheFile", [](CheckImage& image) { image.set_refcount(40, 1); }},
        Damage{"FileCutWithinTheLastCluster",
               [](CheckImage& image) { image.bytes().resize(image.offset(12) + 100); }},
        Damage{"FileCutByACluster",
               [](CheckImage& image) { image.bytes().resize(image.offset(12)); }},
        Damage{"FileCutByMore", [](CheckImage& image) { image.bytes().resize(image.offset(11)); }},
        Damage{"SharedDataWithCopied",
               [](CheckImage& image) { image.set_l2_entry(9, image.l2_entry(1)); }},
        Damage{"SharedDataWithoutCopied",
               [](CheckImage& image) {
                 image.set_l2_entry(1, 0x60000);
                 image.set_l2_entry(9, 0x60000);
                 image.set_refcount(6, 2);
               }},
        Damage{"CopiedMissing", [](CheckImage& image) { image.set_l2_entry(0, 0x50000); }},
        Damage{"CopiedMissingInL1", [](CheckImage& image) { image.set_l1_entry(0, 0x40000); }},
        Damage{"PreallocatedZeros",
               [](CheckImage& image) { image.set_l2_entry(0, 0x8000000000050001); }},
        Damage{"PlainZerosWithCopied",
               [](CheckImage& image) { image.set_l2_entry(9, 0x8000000000000001); }},
        Damage{"NothingButCopied",
               [](CheckImage& image) { image.set_l2_entry(9, 0x8000000000000000); }},
        Damage{"DataUnaligned",
               [](CheckImage& image) { image.set_l2_entry(0, 0x8000000000050200); }},
        Damage{"ZerosUnaligned",
               [](CheckImage& image) { image.set_l2_entry(0, 0x8000000000050201); }},
        Damage{"DataReservedBits",
               [](CheckImage& image) { image.set_l2_entry(0, 0x8000000000050002); }},
        Damage{"UnallocatedReservedBits", [](CheckImage& image) { image.set_l2_entry(9, 0x2); }},
        Damage{"DataPastTheEnd",
               [](CheckImage& image) { image.set_l2_entry(0, 0x8000000001050000); }},
        Damage{"L1ReservedBits",
               [](CheckImage& image) { image.set_l1_entry(0, 0x8100000000040000); }},
        Damage{"L1PastTheEnd",
               [](CheckImage& image) { image.set_l1_entry(0, 0x8000000001040000); }},
        Damage{"L2TableIsData",
               [](CheckImage& image) { image.set_l2_entry(0, 0x8000000000040000); }},
        Damage{"RefcountTableIsData",
               [](CheckImage& image) { image.set_l2_entry(0, 0x8000000000010000); }},
        Damage{"RefcountBlockIsData",
               [](CheckImage& image) { image.set_l2_entry(0, 0x8000000000020000); }},
        Damage{"L1TableIsData",
               [](CheckImage& image) { image.set_l2_entry(0, 0x8000000000030000); }},
        Damage{"L2TableIsTheL1Table",
               [](CheckImage& image) { image.set_l1_entry(0, 0x8000000000030000); }},
        Damage{"L2TableIsTheHeader", [](CheckImage& image) { image.set_l1_entry(0, 0x10000); }},
        Damage{"NoRefcountBlock", [](CheckImage& image) { image.set_refcount_table_entry(0, 0); }},
        Damage{"RefcountBlockTwice",
               [](CheckImage& image) { image.set_refcount_table_entry(1, 0x20000); }},
        Damage{"RefcountBlockIsTheL1Table",
               [](CheckImage& image) { image.set_refcount_table_entry(0, 0x30000); }},
        Damage{"CompressedWithCopied",
               [](CheckImage& image) { image.set_l2_entry(0, 0xc000000000050000); }},
        Damage{"CompressedAcrossClusters",
               [](CheckImage& image) { image.set_l2_entry(9, 0x404000000005fe01); }},
        Damage{"CompressedPastTheEnd",
               [](CheckImage& image) { image.set_l2_entry(9, 0x4040000001050000); }},
        Damage{"TwoL1EntriesOneTable",
               [](CheckImage& image) {
                 image.set64(header_l1_field - 4, 2); // the upper half is the encryption method
                 image.set_l1_entry(1, image.l1_entry(0));
               }}),
    [](const auto& test) { return std::string(test.param.name); });

} // namespace
} // namespace qcow2
