// Metadata that turns out to contradict itself while the image is open: the image is marked and
// takes no more writes, the program is told once, and what is not concerned is still read.
#include "tests/support/qcow2-disk.h"

#include <algorithm>
#include <future>
#include <thread>

namespace qcow2 {
namespace {

using block::DiskShape;
using block::ErrorKind;
using block::Qcow2Disk;
using block::succeeded;

constexpr std::uint64_t beyond_the_end = std::uint64_t{1} << 40;

class CorruptionFound : public testing::TestWithParam<bool> {
protected:
  CorruptionFound() : disk(shape()) {
    disk.graph.set_event_sink(
        [this](const block::Node& node, block::NodeEvent event, const std::string& message) {
          if (event != block::NodeEvent::image_corrupted) return;
          ++events;
          told = node.name() + ": " + message;
        });
    disk.write(0, disk.pattern(1) + disk.pattern(2) + disk.pattern(3));
    EXPECT_TRUE(succeeded(disk.close()));
    disk.set_file64(disk.l2_entry_place(1), beyond_the_end | copied_flag);
  }

  static DiskShape shape() {
    DiskShape shape;
    shape.dedup = GetParam();
    return shape;
  }

  Qcow2Disk disk;
  int events = 0;
  std::string told;
};

TEST_P(CorruptionFound, ByAReadMarksTheImageAndEndsWrites) {
  disk.open();
  EXPECT_TRUE(disk.holds(0, disk.pattern(1)));
  EXPECT_EQ(events, 0);
  EXPECT_EQ(disk.read(1).substr(0, 11), "read failed");
  EXPECT_TRUE(disk.header().corrupt());
  EXPECT_EQ(events, 1);
  EXPECT_NE(told.find("L2 entry does not name a cluster of the image file"), std::string::npos)
      << told;
  std::vector<std::byte> content = disk.file->content();
  for (std::uint64_t guest : {0, 1, 2, 9}) // also where nothing is wrong
    EXPECT_EQ(kind_of(disk.try_write(guest, disk.pattern(4))), ErrorKind::corrupt);
  EXPECT_EQ(kind_of(disk.node().co_pdiscard(0, disk.cluster_bytes())), ErrorKind::corrupt);
  EXPECT_EQ(disk.read(1).substr(0, 11), "read failed");
  EXPECT_EQ(events, 1);
  EXPECT_TRUE(disk.holds(0, disk.pattern(1)));
  EXPECT_TRUE(disk.holds(2, disk.pattern(3)));
  disk.flush(); // nothing waits for it
  EXPECT_TRUE(succeeded(disk.close()));
  EXPECT_TRUE(disk.file->content() == content);
  // Until it is repaired it opens for reading only.
  EXPECT_EQ(kind_of(disk.try_open()), ErrorKind::corrupt);
  disk.open({{"read-only", "on"}});
  EXPECT_TRUE(disk.holds(2, disk.pattern(3)));
}

TEST_P(CorruptionFound, ByAWriteEndsFlushesToo) {
  disk.open();
  disk.write(5, disk.pattern(6));
  EXPECT_EQ(kind_of(disk.try_write(1, disk.pattern(4).substr(512))), ErrorKind::corrupt);
  EXPECT_EQ(events, 1);
  // What was written before can no longer be made durable, and that is said.
  EXPECT_EQ(kind_of(disk.node().co_flush()), ErrorKind::corrupt);
  EXPECT_TRUE(disk.holds(5, disk.pattern(6)));
  EXPECT_FALSE(succeeded(disk.close()));
  EXPECT_TRUE(disk.header().corrupt());
}

TEST_P(CorruptionFound, ByAReaderOfAReadOnlyImageMarksNothing) {
  std::vector<std::byte> content = disk.file->content();
  disk.open({{"read-only", "on"}});
  EXPECT_EQ(disk.read(1).substr(0, 11), "read failed");
  EXPECT_EQ(disk.read(1).substr(0, 11), "read failed");
  EXPECT_EQ(events, 1);
  EXPECT_TRUE(succeeded(disk.close()));
  EXPECT_TRUE(disk.file->content() == content);
}

// Many small L2 tables, so that writes have to wait for a write-back that is under way.
TEST(CorruptionFoundMeanwhile, StopsAWriteBackThatWaits) {
  DiskShape shape;
  shape.cluster_bits = 9;
  shape.guest_clusters = 4096;
  shape.dedup = false;
  shape.open = {{"l2-cache-size", "8k"}};
  Qcow2Disk disk(shape);
  const std::uint64_t per_table = 64;
  for (std::uint64_t guest = 0; guest < shape.guest_clusters; guest += per_table)
    disk.write(guest, disk.pattern(1));
  EXPECT_TRUE(succeeded(disk.close()));
  disk.set_file64(disk.l2_entry_place(per_table), beyond_the_end | copied_flag);
  disk.open();
  disk.write(0 + 1, disk.pattern(2));
  std::promise<void> reached, released;
  std::atomic<bool> held{false};
  disk.file->set_hook([&](block::MemoryOperation operation, std::uint64_t, std::uint64_t) {
    if (operation != block::MemoryOperation::flush || held.exchange(true)) return;
    reached.set_value();
    released.get_future().wait();
  });
  std::thread flusher([&] { (void)disk.node().co_flush().ok(); });
  reached.get_future().wait();
  std::atomic<std::uint64_t> written{0};
  std::thread writer([&] {
    for (std::uint64_t table = 2; disk.try_write(table * per_table + 1, disk.pattern(3)); ++table)
      ++written;
  });
  for (std::uint64_t before = UINT64_MAX; before != written;) { // until it waits
    before = written;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  std::thread reader([&] { EXPECT_EQ(disk.read(per_table).substr(0, 11), "read failed"); });
  auto corrupt = [&] {
    const block::InfoFields facts = disk.node().get_info()->format_specific;
    return std::any_of(facts.begin(), facts.end(), [](const block::InfoField& each) {
      return each.name == "corrupt" && std::get<bool>(each.value.value);
    });
  };
  while (!corrupt())
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  const std::uint64_t before = written;
  released.set_value();
  writer.join();
  reader.join();
  flusher.join();
  EXPECT_GT(before, 0u);
  EXPECT_EQ(written, before);
  EXPECT_TRUE(disk.header().corrupt());
  EXPECT_FALSE(succeeded(disk.close()));
}

INSTANTIATE_TEST_SUITE_P(Image, CorruptionFound, testing::Bool(),
                         [](const auto& test) { return test.param ? "Dedup" : "Plain"; });

} // namespace
} // namespace qcow2
