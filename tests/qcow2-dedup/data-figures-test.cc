// What an image holds, stores and saves: from references, whatever was written before.
#include "block/qcow2-dedup/table/extension.h"
#include "tests/support/qcow2-disk.h"

#include <random>

namespace qcow2_dedup {
namespace {

using block::DataFigures;
using block::DiskShape;
using block::Options;
using block::Qcow2Disk;

class Figures : public testing::Test {
protected:
  Qcow2Disk disk;
  const std::string a = disk.pattern(1), b = disk.pattern(2), c = disk.pattern(3);

  bool nothing_is_scanned() {
    const block::DedupInfo now = disk.counters();
    return now.scan.state == block::DedupScanState::idle &&
           (now.status == block::DedupStatus::paused || now.unscanned_clusters == 0);
  }
  std::optional<DataFigures> figures() { return disk.counters().data; }
  // In clusters.
  void expect_now(std::uint64_t data, std::uint64_t stored) {
    std::optional<DataFigures> now = figures();
    ASSERT_TRUE(now);
    EXPECT_EQ(now->data_bytes, data * disk.cluster_bytes());
    EXPECT_EQ(now->stored_bytes, stored * disk.cluster_bytes());
  }
  // The image is closed: a reader, the next writer, and the check's own walk say the same.
  void expect_in_file() {
    std::optional<DataFigures> walked = disk.check().report.data;
    ASSERT_TRUE(walked);
    disk.open({{"read-only", "on"}});
    EXPECT_EQ(figures(), walked);
    ASSERT_TRUE(succeeded(disk.close()));
    const unsigned scans = disk.scans;
    disk.open();
    const std::optional<DataFigures> now = figures();
    ASSERT_TRUE(now);
    EXPECT_EQ(now->data_bytes, walked->data_bytes);
    if (disk.scans == scans) {
      EXPECT_EQ(now, walked);
    } else { // what the last scan had left may be shared by now
      EXPECT_LE(now->stored_bytes, walked->stored_bytes);
    }
    ASSERT_TRUE(succeeded(disk.close()));
  }
  void close() { ASSERT_TRUE(succeeded(disk.close())); }
};

TEST_F(Figures, TellWhatIsReferencedNow) {
  expect_now(0, 0);
  EXPECT_EQ(figures()->ratio(), 1);
  disk.write(0, a + b + a + a);
  expect_now(4, 2);
  EXPECT_EQ(figures()->saved_bytes(), 2 * disk.cluster_bytes());
  EXPECT_DOUBLE_EQ(figures()->ratio(), 2);
  disk.write(0, a + b + a + a); // once more saves nothing more
  expect_now(4, 2);
  disk.write(1, c); // in place
  disk.write(2, disk.zeros());
  expect_now(3, 2);
  disk.write_at(3 * disk.cluster_bytes() + 10, "x"); // the last one but one of its owners leaves
  expect_now(3, 3);
  disk.discard(0, 64);
  expect_now(0, 0);
  EXPECT_EQ(figures()->ratio(), 1);
  disk.flush();
  expect_now(0, 0);
  EXPECT_GE(figures()->free_bytes, 3 * disk.cluster_bytes());
  close();
  expect_in_file();
}

TEST_F(Figures, CountWhatIsWrittenWhilePausedAndWhatTheScanShares) {
  disk.write(0, a);
  ASSERT_TRUE(succeeded(disk.node().pause_dedup()));
  disk.write(1, a + b + b);
  expect_now(4, 4);
  ASSERT_TRUE(succeeded(disk.node().resume_dedup({})));
  disk.wait_for_scan();
  expect_now(4, 2);
  close();
  expect_in_file();
}

TEST_F(Figures, GoOnAfterAnUncleanEnd) {
  disk.write(0, a + a + b);
  disk.flush();
  disk.write(10, a + c);
  disk.kill();
  disk.open({{"read-only", "on"}});
  EXPECT_FALSE(figures()); // nobody knows before a repair
  close();
  disk.open();
  expect_now(3, 2);
  close();
  expect_in_file();
}

TEST_F(Figures, AreCountedByARepair) {
  disk.write(0, a + a + b);
  disk.flush();
  disk.discard(0, 12);
  disk.write(10, a + c);
  disk.flush();
  disk.kill();
  const std::vector<std::byte> killed = disk.file->content();
  EXPECT_EQ(disk.repair(block::Repair::all).report.corruptions, 0u);
  expect_in_file();
  disk.open();
  expect_now(2, 2);
  close();
  // A repair of leaks leaves refcounts that are too low, so the image stays dirty, and the figures
  // stay unknown until it is opened for writing.
  disk.file->set_content(killed);
  EXPECT_GT(disk.repair(block::Repair::leaks).report.corruptions, 0u);
  disk.open({{"read-only", "on"}});
  EXPECT_FALSE(figures());
  close();
  disk.open();
  expect_now(2, 2);
  close();
  expect_in_file();
}

TEST_F(Figures, GoOnAfterAnotherProgramHasWritten) {
  disk.write(0, a + a + b);
  close();
  qcow2::Header header = disk.header();
  disk.set_file64(disk.l2_entry_place(1), 0); // a discard, and the autoclear bit is cleared
  disk.set_file64(88, header.autoclear_features & ~dedup_feature_mask);
  disk.open({{"read-only", "on"}});
  EXPECT_FALSE(figures());
  close();
  disk.open();
  expect_now(2, 2);
  disk.wait_for_scan();
  close();
  expect_in_file();
}

TEST_F(Figures, AreNotThoseOfAFileThatLostItsEnd) {
  disk.write(0, a + b + a);
  close();
  std::vector<std::byte> content = disk.file->content();
  content.resize(content.size() - disk.cluster_bytes());
  disk.file->set_content(content);
  disk.open({{"read-only", "on"}});
  EXPECT_FALSE(figures());
  EXPECT_FALSE(disk.counters().table_trusted);
}

TEST_F(Figures, AreCountedAgainIfTheTablesWereChangedOutside) {
  disk.write(0, a + b + a);
  close();
  Extension extension = disk.extension();
  extension.tables_digest ^= 1;
  extension.data = DataClusters{9, 9};
  disk.set_extension(extension);
  disk.open({{"read-only", "on"}});
  EXPECT_FALSE(figures());
  EXPECT_FALSE(disk.counters().table_trusted);
  close();
  disk.open();
  expect_now(3, 2);
  close();
  expect_in_file();
}

TEST(FiguresOfAPlainImage, AreCountedOnceItIsDeduplicated) {
  DiskShape shape;
  shape.dedup = false;
  Qcow2Disk disk(shape);
  disk.write(0, disk.pattern(1) + disk.pattern(1) + disk.pattern(2));
  Options options = {{"dedup", "sha256"}};
  ASSERT_TRUE(succeeded(disk.node().amend(options)));
  disk.reopen();
  disk.wait_for_scan();
  std::optional<DataFigures> now = disk.counters().data;
  ASSERT_TRUE(now);
  EXPECT_EQ(now->data_bytes, 3 * disk.cluster_bytes());
  EXPECT_EQ(now->stored_bytes, 2 * disk.cluster_bytes());
}

TEST_F(Figures, OfAFileThatLiesStayNumbers) {
  disk.write(0, a + b);
  close();
  Extension extension = disk.extension();
  extension.data = DataClusters{1, 0};
  disk.set_extension(extension);
  disk.open();
  disk.discard(0, 2);
  expect_now(0, 0);
}

// Figures that count on agree with a walk over what is there.
TEST_F(Figures, AgreeWithAWalkAfterAnyRequests) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  auto below = [&](std::uint64_t end) { return random() % end; };
  for (int round = 0; round < 12; ++round) {
    if (below(3) == 0) {
      ASSERT_TRUE(succeeded(disk.node().pause_dedup()));
    }
    for (int step = 0; step < 80; ++step) {
      std::uint64_t guest = below(56), clusters = 1 + below(8);
      switch (below(8)) {
      case 0:
        disk.discard(guest, clusters);
        break;
      case 1:
        disk.write_zeroes(guest, clusters, below(2) == 0);
        break;
      case 2:
        disk.write_at(guest * disk.cluster_bytes() + below(4000),
                      std::string(1 + below(6000), 'p'));
        break;
      case 3:
        disk.flush();
        break;
      default:
        std::string data;
        for (std::uint64_t i = 0; i < clusters; ++i)
          data += disk.pattern(1 + below(12));
        disk.write(guest, data);
      }
    }
    if (below(3) == 0) {
      disk.kill();
      disk.open();
    } else if (below(2) == 0) {
      ASSERT_TRUE(succeeded(disk.node().resume_dedup({})));
      disk.wait_for_scan();
    }
    const bool scanned = nothing_is_scanned(); // before the figures: a scan may end meanwhile
    const std::optional<DataFigures> last = figures();
    close();
    const std::optional<DataFigures> walked = disk.check().report.data;
    ASSERT_TRUE(last && walked);
    // A scan shares what is stored twice, so until it ends less and less is stored. No cluster here
    // holds zeros, of which it would make zero clusters.
    EXPECT_EQ(last->data_bytes, walked->data_bytes);
    EXPECT_GE(last->stored_bytes, walked->stored_bytes);
    EXPECT_LE(last->stored_bytes, last->data_bytes);
    if (scanned) {
      EXPECT_EQ(last->stored_bytes, walked->stored_bytes);
    }
    expect_in_file();
    disk.open();
  }
}

} // namespace
} // namespace qcow2_dedup
