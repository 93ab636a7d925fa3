// Each fact that an open image tells of itself is the one that its file tells once it is closed.
#include "tests/support/qcow2-disk.h"

#include <map>

namespace qcow2_dedup {
namespace {

using block::DiskShape;
using block::InfoFields;
using block::InfoValue;
using block::Qcow2Disk;

using Facts = std::map<std::string, std::string>;

void add(Facts& facts, const std::string& prefix, const InfoFields& fields) {
  for (const block::InfoField& field : fields) {
    const std::string name = prefix + field.name;
    if (const auto* inner = std::get_if<InfoFields>(&field.value.value))
      add(facts, name + ".", *inner);
    else if (const auto* flag = std::get_if<bool>(&field.value.value))
      facts[name] = *flag ? "yes" : "no";
    else if (const auto* number = std::get_if<std::uint64_t>(&field.value.value))
      facts[name] = std::to_string(*number);
    else if (const auto* fraction = std::get_if<double>(&field.value.value))
      facts[name] = std::to_string(*fraction);
    else
      facts[name] = std::get<std::string>(field.value.value);
  }
}

// Without those that say whether the image is open.
Facts facts_of(block::Node& node) {
  block::DriverInfo info = node.get_info().value();
  Facts facts = {{"size", std::to_string(node.co_get_length().value())},
                 {"cluster size", std::to_string(info.cluster_size)},
                 {"corrupt", info.corrupt ? "yes" : "no"},
                 {"backing file", info.backing_filename},
                 {"backing format", info.backing_format}};
  add(facts, "", info.format_specific);
  facts.erase("dedup.closed-cleanly");
  return facts;
}

class FactsTest : public testing::TestWithParam<bool> {
protected:
  static DiskShape shape() {
    DiskShape shape;
    shape.dedup = GetParam();
    shape.create = {{"lazy_refcounts", "on"}};
    return shape;
  }
  FactsTest() {
    disk.write(0, disk.pattern(1) + disk.pattern(2)); // so that there is a table
    disk.reopen();
    if (GetParam()) disk.wait_for_scan();
  }
  void expect_the_same_when_closed() {
    Facts open = facts_of(disk.node());
    EXPECT_TRUE(succeeded(disk.close()));
    disk.open({{"read-only", "on"}});
    EXPECT_EQ(facts_of(disk.node()), open);
    EXPECT_TRUE(succeeded(disk.close()));
    disk.open();
  }
  Qcow2Disk disk{shape()};
};

TEST_P(FactsTest, OfAnImageThatIsNotWrittenTo) {
  expect_the_same_when_closed();
}

TEST_P(FactsTest, AfterWrites) {
  disk.write(10, disk.pattern(1) + disk.pattern(3));
  expect_the_same_when_closed();
}

TEST_P(FactsTest, AfterAResize) {
  EXPECT_TRUE(succeeded(disk.node().co_truncate(disk.guest_bytes() * 100)));
  expect_the_same_when_closed();
  EXPECT_EQ(facts_of(disk.node())["size"], std::to_string(disk.guest_bytes() * 100));
}

TEST_P(FactsTest, AfterDamageWasFound) {
  disk.flush();
  EXPECT_TRUE(succeeded(disk.close()));
  disk.set_file64(disk.l2_entry_place(1), qcow2::copied_flag | 0x7777'0000);
  disk.open();
  EXPECT_EQ(facts_of(disk.node())["corrupt"], "no");
  (void)disk.read(1);
  EXPECT_EQ(facts_of(disk.node())["corrupt"], "yes");
  EXPECT_TRUE(disk.node().get_info()->corrupt);
}

TEST_P(FactsTest, WhilePausedAndAfterWritesThen) {
  if (!GetParam()) return;
  EXPECT_EQ(facts_of(disk.node())["dedup.running"], "yes");
  EXPECT_TRUE(succeeded(disk.node().pause_dedup()));
  EXPECT_EQ(facts_of(disk.node())["dedup.running"], "no");
  EXPECT_EQ(facts_of(disk.node())["dedup.scan-pending"], "no");
  disk.write(20, disk.pattern(9));
  EXPECT_EQ(facts_of(disk.node())["dedup.scan-pending"], "yes");
  expect_the_same_when_closed();
  EXPECT_TRUE(succeeded(disk.node().resume_dedup()));
  disk.wait_for_scan();
  EXPECT_EQ(facts_of(disk.node())["dedup.running"], "yes");
  EXPECT_EQ(facts_of(disk.node())["dedup.scan-pending"], "no");
  expect_the_same_when_closed();
}

TEST_P(FactsTest, AfterAnAmend) {
  if (!GetParam()) return;
  block::Options off = {{"dedup", "off"}};
  EXPECT_TRUE(succeeded(disk.node().amend(off)));
  EXPECT_EQ(facts_of(disk.node()).count("dedup.algorithm"), 0u);
  expect_the_same_when_closed();
}

INSTANTIATE_TEST_SUITE_P(Images, FactsTest, testing::Bool(),
                         [](const auto& dedup) { return dedup.param ? "Deduplicated" : "Plain"; });

} // namespace
} // namespace qcow2_dedup
