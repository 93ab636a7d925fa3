// What check says, and a repair does, about images that are sound: not closed cleanly, or written
// by a program that does not know deduplication.
#include "block/qcow2-dedup/table/extension.h"
#include "tests/support/qcow2-disk.h"

#include <algorithm>

namespace qcow2_dedup {
namespace {

using block::DiskCheck;
using block::NodeEvent;
using block::Qcow2Disk;
using block::Repair;
using Lines = std::vector<std::string>;

constexpr std::uint64_t autoclear_field = qcow2::header_features_field + 16;

class CheckExplains : public testing::Test {
protected:
  CheckExplains() {
    for (unsigned i = 0; i < 20; ++i)
      disk.write(2 * i, disk.pattern(i) + disk.pattern(0));
  }
  void kill() {
    disk.flush();
    disk.kill();
    ASSERT_TRUE(disk.header().dirty());
  }

  Qcow2Disk disk;
};

TEST_F(CheckExplains, AnUncleanEndIsOneLine) {
  kill();
  DiskCheck found = disk.check();
  ASSERT_EQ(found.lines.size(), 1u) << testing::PrintToString(found.lines);
  EXPECT_NE(found.lines[0].find("not closed cleanly"), std::string::npos);
  EXPECT_NE(found.lines[0].find("no data is lost"), std::string::npos);
  EXPECT_GT(found.report.corruptions, 0u) << "the refcounts are as they are";
  EXPECT_TRUE(found.report.unclean_end_only);
}

TEST_F(CheckExplains, ARepairAfterAnUncleanEndIsToldShortly) {
  kill();
  DiskCheck repaired = disk.repair(Repair::all);
  EXPECT_LE(repaired.lines.size(), 2u) << testing::PrintToString(repaired.lines);
  EXPECT_EQ(repaired.report.corruptions, 0u);
  EXPECT_EQ(disk.check().lines, Lines());
  EXPECT_FALSE(disk.check().report.unclean_end_only);
}

TEST_F(CheckExplains, DamageIsListedBesideAnUncleanEnd) {
  kill();
  disk.set_file64(disk.l2_entry_place(50), 1024 | qcow2::copied_flag); // not aligned
  DiskCheck found = disk.check();
  EXPECT_LE(found.lines.size(), 4u) << testing::PrintToString(found.lines);
  auto says = [&](const std::string& text) {
    return std::ranges::any_of(
        found.lines, [&](const std::string& line) { return line.find(text) != line.npos; });
  };
  EXPECT_TRUE(says("not properly aligned"));
  EXPECT_TRUE(says("not closed cleanly"));
  EXPECT_FALSE(says("no data is lost"));
  EXPECT_FALSE(found.report.unclean_end_only);
}

TEST_F(CheckExplains, OpeningForWritingTellsThatItRepairs) {
  kill();
  Lines told;
  {
    block::Graph graph;
    graph.set_event_sink([&](const block::Node&, NodeEvent event, const std::string& message) {
      if (event == NodeEvent::warning) told.push_back(message);
    });
    auto node = graph.open(
        {{"driver", "qcow2"}, {"file.driver", "memory"}, {"file.filename", disk.file->name()}}, {});
    EXPECT_TRUE(succeeded(node));
  }
  ASSERT_EQ(told.size(), 1u) << testing::PrintToString(told);
  EXPECT_NE(told[0].find("Repairing the image"), std::string::npos) << told[0];
  disk.expect_clean();
}

// Stock QEMU frees the table as leaks, and clears the bit before it does so.
TEST_F(CheckExplains, ATableThatIsNotCurrentIsNeitherFollowedNorCalledCorrupt) {
  ASSERT_TRUE(succeeded(disk.close()));
  const std::uint64_t table = disk.table_clusters();
  disk.set_file64(autoclear_field, 0);
  DiskCheck found = disk.check();
  EXPECT_EQ(found.report.corruptions, 0u);
  EXPECT_EQ(found.report.check_errors, 0u);
  EXPECT_EQ(found.report.leaks, table);
  // What lies where the table was is something else by now.
  DiskCheck repaired = disk.repair(Repair::leaks);
  EXPECT_EQ(repaired.report.leaks_fixed, table);
  EXPECT_EQ(disk.check().lines, Lines());
  disk.open();
  disk.wait_for_scan();
  disk.write(60, disk.pattern(3));
  EXPECT_EQ(disk.refcount_of(60), 2u);
  ASSERT_TRUE(succeeded(disk.close()));
  disk.expect_clean();
}

TEST_F(CheckExplains, ARepairClearsAutoclearBitsThatItDoesNotKnow) {
  ASSERT_TRUE(succeeded(disk.close()));
  for (Repair what : {Repair::leaks, Repair::all}) {
    disk.set_file64(autoclear_field, dedup_feature_mask | qcow2::bit(40));
    EXPECT_EQ(disk.check().lines, Lines());
    EXPECT_EQ(disk.file64(autoclear_field), dedup_feature_mask | qcow2::bit(40)) << "only looked";
    EXPECT_EQ(disk.repair(what).error, "");
    EXPECT_EQ(disk.file64(autoclear_field), dedup_feature_mask);
  }
}

TEST(CheckExplainsPlainImages, ARepairClearsAllAutoclearBits) {
  Qcow2Disk disk({.dedup = false});
  ASSERT_TRUE(succeeded(disk.close()));
  disk.set_file64(autoclear_field, dedup_feature_mask | qcow2::bit(40));
  EXPECT_EQ(disk.repair(Repair::all).error, "");
  EXPECT_EQ(disk.file64(autoclear_field), 0u);
}

// Once "dirty" is cleared, nothing else tells the next opener that it has to look at everything.
TEST_F(CheckExplains, ARepairAfterAnUncleanEndLetsEverythingBeScanned) {
  kill();
  ASSERT_EQ(disk.repair(Repair::all).report.corruptions, 0u);
  EXPECT_FALSE(disk.header().dirty());
  EXPECT_EQ(disk.extension().scan_mark(), 0u);
}

} // namespace
} // namespace qcow2_dedup
