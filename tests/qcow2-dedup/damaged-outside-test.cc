// A clean image that was damaged while nobody used it, and is used then: cut short, marked in use,
// changed in part. Whatever it lost, no guest cluster may show what was never written there.
#include "tests/support/image-edits.h"
#include "tests/support/qcow2-disk.h"

#include "block/endian.h"
#include "block/qcow2-dedup/table/extension.h"

#include <algorithm>
#include <map>

namespace qcow2_dedup {
namespace {

using block::DiskShape;
using block::MemoryFile;
using block::Qcow2Disk;

using Content = std::vector<std::byte>;

// Which image, and where in it.
struct Kind {
  bool dedup = true;
  unsigned cluster_bits = 12;
  std::uint64_t old = 24; // clusters with content of their own, at the disk's beginning

  std::uint64_t shared() const { return old + 5; } // has the content of cluster 2
  std::uint64_t fresh() const { return old + 16; } // from here on nothing was written
  DiskShape shape() const {
    DiskShape shape;
    shape.dedup = dedup;
    shape.cluster_bits = cluster_bits;
    shape.guest_clusters = 2 * old + 32;
    return shape;
  }
};
constexpr Kind usual;

std::string content_of(const Qcow2Disk& disk, std::uint64_t guest) {
  return disk.pattern(static_cast<unsigned>(guest) + 1);
}

// An image that was closed cleanly, twice: so its table is in the middle of the file and data at
// the end.
Content closed_image(const Kind& kind = usual) {
  Qcow2Disk disk(kind.shape());
  for (std::uint64_t guest = 0; guest < kind.old / 2; ++guest)
    disk.write(guest, content_of(disk, guest));
  disk.write(kind.shared(), content_of(disk, 2));
  disk.reopen();
  for (std::uint64_t guest = kind.old / 2; guest < kind.old; ++guest)
    disk.write(guest, content_of(disk, guest));
  EXPECT_TRUE(succeeded(disk.close()));
  return disk.file->content();
}

// What a guest may see of the damaged image.
class Guest {
public:
  Guest(Qcow2Disk& disk, const Kind& kind) : disk_(disk), kind_(kind) {
    for (std::uint64_t guest = 0; guest < kind.old; ++guest)
      wanted_[guest] = content_of(disk, guest);
    wanted_[kind.shared()] = content_of(disk, 2);
  }

  // A refusal is no fault: the image may have been found to be corrupt.
  void write(std::uint64_t guest, const std::string& data) {
    if (!disk_.try_write(guest, data)) return;
    wanted_[guest] = data;
    written_[guest] = true;
  }
  void compare(const std::string& when) {
    for (const auto& [guest, wanted] : wanted_) {
      std::string found = disk_.read(guest);
      if (found == wanted) continue;
      bool lost = ends_in_zeros(found, wanted);
      EXPECT_TRUE(lost || found.starts_with("read failed"))
          << when << ": other content at guest cluster " << guest;
      EXPECT_FALSE(written_[guest] && lost)
          << when << ": guest cluster " << guest << " was written and is lost";
    }
  }

  // Writes all that the image held to other places, then overwrites each owner.
  void use() {
    const std::uint64_t fresh = kind_.fresh();
    for (std::uint64_t guest = 0; guest < kind_.old; ++guest)
      write(fresh + guest, content_of(disk_, guest));
    disk_.flush();
    compare("after writing known content");
    for (std::uint64_t guest = 0; guest < kind_.old; guest += 3)
      write(guest, disk_.pattern(5000 + static_cast<unsigned>(guest)));
    for (std::uint64_t guest = fresh; guest < fresh + kind_.old; guest += 2)
      write(guest, disk_.pattern(7000 + static_cast<unsigned>(guest)));
    write(kind_.shared(), disk_.pattern(9000));
    compare("after overwriting owners");
  }

private:
  // From some byte on, perhaps the first: a cluster may have been cut in two.
  static bool ends_in_zeros(const std::string& found, const std::string& wanted) {
    if (found.size() != wanted.size()) return false;
    auto place = std::mismatch(found.begin(), found.end(), wanted.begin()).first;
    return std::all_of(place, found.end(), [](char byte) { return byte == '\0'; });
  }

  Qcow2Disk& disk_;
  const Kind kind_;
  std::map<std::uint64_t, std::string> wanted_;
  std::map<std::uint64_t, bool> written_;
};

// Opens the image, if it can be opened for writing, and uses it, in two sessions. The warnings of
// the first open.
std::optional<std::vector<std::string>> use(const Kind& kind, Content content) {
  Qcow2Disk disk(kind.shape(), std::move(content));
  std::vector<std::string> warnings;
  disk.graph.set_event_sink(
      [&](const block::Node&, block::NodeEvent event, const std::string& message) {
        if (event == block::NodeEvent::warning) warnings.push_back(message);
      });
  if (!disk.try_open()) return std::nullopt;
  std::vector<std::string> first = warnings;
  if (kind.dedup) disk.wait_for_index();
  Guest guest(disk, kind);
  guest.use();
  // A corrupt image is not closed cleanly, and says so.
  (void)disk.close().ok();
  if (disk.try_open()) guest.compare("after reopening");
  (void)disk.close().ok();
  return first;
}

class Cut : public testing::TestWithParam<Kind> {};

TEST_P(Cut, AnywhereItShowsNothingThatWasNotWrittenThere) {
  const Kind kind = GetParam();
  const Content whole = closed_image(kind);
  std::size_t opened = 0;
  for (std::size_t length = 4096; length < whole.size(); length += 384) {
    SCOPED_TRACE("cut to " + std::to_string(length) + " of " + std::to_string(whole.size()));
    auto warnings = use(kind, {whole.begin(), whole.begin() + std::ptrdiff_t(length)});
    if (!warnings) continue;
    ++opened;
    if (!kind.dedup) continue;
    ASSERT_EQ(warnings->size(), 1u);
    EXPECT_TRUE(warnings->front().starts_with("the image file has lost its end: "));
  }
  EXPECT_GT(opened, 0u); // what was at the end is data
}

INSTANTIATE_TEST_SUITE_P(Images, Cut,
                         testing::Values(Kind{}, Kind{.dedup = false},
                                         Kind{.cluster_bits = 9, .old = 300},
                                         Kind{.dedup = false, .cluster_bits = 9, .old = 600}),
                         [](const auto& kind) {
                           return std::string(kind.param.dedup ? "Deduplicated" : "Plain") +
                                  std::to_string(1 << kind.param.cluster_bits);
                         });

class CutShort : public testing::Test {
protected:
  static constexpr std::size_t missing = 2 * 4096 + 100;
  CutShort() : disk(usual.shape(), closed_image()) {
    whole = disk.file->content();
    disk.file->set_content({whole.begin(), whole.end() - std::ptrdiff_t(missing)});
  }
  Qcow2Disk disk;
  Content whole;
};

TEST_F(CutShort, ItIsNotTrustedAnyMore) {
  const std::size_t cut = whole.size() - missing;
  disk.open();
  EXPECT_FALSE(disk.counters().table_trusted);
  disk.write(usual.fresh(), disk.pattern(900));
  disk.reopen(); // the file has its length again
  EXPECT_FALSE(disk.counters().table_trusted);
  EXPECT_TRUE(succeeded(disk.close()));
  EXPECT_GE(disk.file->length(), whole.size());
  EXPECT_EQ(disk.extension().lost_from, cut);
}

TEST_F(CutShort, ItIsNotTrustedIfTheProgramEndsAtOnce) {
  disk.open();
  disk.cut_power();
  EXPECT_TRUE(disk.extension().has(in_use));
  EXPECT_NE(disk.extension().lost_from, 0u);
}

TEST_F(CutShort, TheCheckSaysSoBeforeAndAfterItIsUsed) {
  auto says = [&](const std::string& text) {
    std::vector<std::string> lines = disk.check().lines;
    return std::ranges::any_of(lines, [&](const std::string& line) { return line == text; });
  };
  EXPECT_TRUE(says("ERROR the image file has lost its end: 8292 bytes are missing"));
  disk.open();
  EXPECT_TRUE(succeeded(disk.close()));
  EXPECT_TRUE(says("ERROR the image file once ended at offset " +
                   std::to_string(whole.size() - missing) +
                   "; data that was stored beyond reads as zeros"));
}

TEST_F(CutShort, AReaderChangesNothing) {
  Content before = disk.file->content();
  disk.open({{"read-only", "on"}});
  EXPECT_TRUE(disk.holds(0, content_of(disk, 0)));
  EXPECT_TRUE(succeeded(disk.close()));
  EXPECT_TRUE(disk.file->content() == before);
}

TEST_F(CutShort, AFileOfADeviceThatCannotGrowIsNotWrittenTo) {
  disk.file->set_capacity(whole.size() - missing);
  EXPECT_FALSE(disk.try_open().ok());
}

// Another program compressed a cluster. It carries no COPIED flag, and the others get theirs.
TEST(CompressedCluster, DoesNotKeepTheImageFromACleanEnd) {
  Qcow2Disk disk(usual.shape(), closed_image());
  disk.set_file64(disk.l2_entry_place(0), qcow2::compressed_flag | disk.cluster_bytes());
  disk.repair(block::Repair::all);
  disk.open();
  disk.write(2, disk.pattern(700)); // cluster 2 was shared; its other owner is the only one now
  EXPECT_TRUE(succeeded(disk.close()));
  EXPECT_FALSE(disk.header().dirty());
  EXPECT_TRUE(disk.copied(usual.shared()));
  disk.expect_consistent();
}

// As when it was at the lost end of a file.
TEST(LostL2Table, CostsWhatItMapsAndNoMore) {
  for (bool dedup : {false, true}) {
    SCOPED_TRACE(dedup);
    DiskShape shape;
    shape.dedup = dedup;
    shape.guest_clusters = 1024; // two L2 tables
    Qcow2Disk disk(shape);
    disk.write(0, disk.pattern(1));
    disk.flush();
    disk.write(600, disk.pattern(2));
    EXPECT_TRUE(succeeded(disk.close()));
    disk.set_file64(disk.header().l1_offset.value() + 8, qcow2::bit(40) | qcow2::copied_flag);
    const Content content = disk.file->content();
    disk.open({{"read-only", "on"}});
    EXPECT_TRUE(disk.holds(0, disk.pattern(1)));
    EXPECT_TRUE(succeeded(disk.node().get_info()));
    std::string buffer(disk.cluster_bytes(), '\0');
    for (std::uint64_t guest : {600, 700})
      EXPECT_EQ(kind_of(disk.node().co_readv(guest * disk.cluster_bytes(),
                                             block::IoVector(buffer.data(), buffer.size()))),
                block::ErrorKind::corrupt);
    EXPECT_TRUE(disk.holds(0, disk.pattern(1)));
    EXPECT_TRUE(succeeded(disk.close()));
    EXPECT_TRUE(disk.file->content() == content);
    EXPECT_EQ(kind_of(disk.try_open()), block::ErrorKind::corrupt);
  }
}

// A pointer that names guest data would do no harm, whatever the data ends in.
TEST(DamagedOutside, ATableThatNoCleanEndRecordedIsGivenUp) {
  Qcow2Disk disk(usual.shape(), closed_image());
  Content content = disk.file->content();
  Extension extension = disk.extension();
  const std::uint64_t table = extension.table_offset.value();
  extension.file_end = extension.tables_digest = 0;
  block::store_dedup_extension(content, extension);
  disk.file->set_content(content);
  const std::uint64_t data = disk.l2_entry(0) & qcow2::offset_mask;
  disk.set_file64(table, data);
  disk.open();
  disk.wait_for_scan();
  disk.write(usual.fresh(), content_of(disk, 3));
  EXPECT_EQ(disk.host_of(usual.fresh()), disk.host_of(3)); // the scan has found it
  for (std::uint64_t guest = 0; guest < usual.old; ++guest)
    EXPECT_TRUE(disk.holds(guest, content_of(disk, guest))) << guest;
  EXPECT_TRUE(succeeded(disk.close()));
  EXPECT_NE(disk.extension().table_offset.value(), table);
  EXPECT_NE(disk.extension().tables_digest, 0u);
  disk.expect_consistent();
}

TEST(DamagedOutside, ARepairAtOpenRecordsTheTablesThatItLeaves) {
  Qcow2Disk disk(usual.shape());
  disk.write(0, disk.pattern(1));
  disk.reopen();
  disk.write(1, disk.pattern(2));
  disk.flush();
  disk.kill();
  disk.open(); // repairs
  disk.kill(); // before it changes anything
  const std::uint64_t table = disk.extension().table_offset.value();
  ASSERT_NE(table, 0u);
  disk.open();
  EXPECT_EQ(disk.extension().table_offset.value(), table);
}

TEST(DamagedOutside, WhatIsMarkedInUseIsComparedBeforeItIsShared) {
  Qcow2Disk image(usual.shape(), closed_image());
  Content content = image.file->content();
  Extension extension = image.extension();
  extension.set(in_use, true);
  block::store_dedup_extension(content, extension);
  // The hash of cluster 5 is not that of its data any more.
  image.open({{"read-only", "on"}});
  std::size_t place = *image.host_of(5) * image.cluster_bytes();
  EXPECT_TRUE(succeeded(image.close()));
  content[place + 7] ^= std::byte{1};
  Qcow2Disk disk(usual.shape(), content);
  disk.open();
  disk.wait_for_index();
  disk.write(usual.fresh(), content_of(disk, 5) + content_of(disk, 6));
  EXPECT_TRUE(disk.holds(usual.fresh(), content_of(disk, 5) + content_of(disk, 6)));
  EXPECT_NE(disk.host_of(usual.fresh()), disk.host_of(5));
  EXPECT_EQ(disk.host_of(usual.fresh() + 1), disk.host_of(6));
}

TEST(DamagedOutside, RottenDataIsNotSharedIfMatchesAreCompared) {
  const Content whole = closed_image();
  Qcow2Disk image(usual.shape(), whole);
  image.open({{"read-only", "on"}});
  for (std::uint64_t guest = 0; guest < usual.old; guest += 5) {
    Content content = whole;
    content[*image.host_of(guest) * image.cluster_bytes() + 100] ^= std::byte{0x10};
    Qcow2Disk disk(usual.shape(), content);
    disk.open({{"dedup-verify", "on"}});
    disk.wait_for_index();
    disk.write(usual.fresh(), content_of(disk, guest));
    EXPECT_TRUE(disk.holds(usual.fresh(), content_of(disk, guest)));
  }
}

TEST(DamagedOutside, RottenHashesCostSpaceOnly) {
  const Content whole = closed_image();
  Qcow2Disk image(usual.shape(), whole);
  std::uint64_t table = image.extension().table_offset.value();
  std::uint64_t hashes = image.file64(table);
  for (std::uint64_t entry = 0; entry < 64; ++entry) {
    SCOPED_TRACE(entry);
    Content content = whole;
    content[hashes + entry * 40 + entry % 32] ^= std::byte{0x40};
    EXPECT_TRUE(use(usual, content).has_value());
  }
}

TEST(DamagedOutside, ARottenL2EntryOrRefcountIsFoundByTheCheck) {
  Qcow2Disk disk(usual.shape(), closed_image());
  const Content whole = disk.file->content();
  auto expect_finding = [&](std::uint64_t place, std::byte mask) {
    Content content = whole;
    content[place] ^= mask;
    disk.file->set_content(content);
    block::CheckReport report = disk.check().report;
    EXPECT_GT(report.corruptions + report.leaks, 0u) << "byte " << place;
  };
  const std::uint64_t entries = disk.l2_entry_place(0);
  const std::uint64_t counts = disk.file64(disk.header().refcount_table_offset.value());
  for (std::uint64_t guest = 0; guest < usual.old; ++guest)
    expect_finding(entries + guest * 8 + guest % 8, std::byte{0x40});
  for (std::uint64_t host = 0; host < whole.size() / disk.cluster_bytes(); ++host)
    expect_finding(counts + host * 2 + host % 2, std::byte{0x08});
  disk.file->set_content(whole);
}

TEST(DamagedOutside, TablesThatAreNotThoseOfTheCloseCostTheDedupTable) {
  const Content whole = closed_image();
  Qcow2Disk disk(usual.shape(), whole);
  EXPECT_NE(disk.extension().file_end, 0u);
  EXPECT_NE(disk.extension().tables_digest, 0u);
  const std::uint64_t table = disk.extension().table_offset.value();
  // As if a program that does not know deduplication had made another L2 table, and the header that
  // says so were lost; then a hash block that is not in the file.
  for (std::uint64_t place : {disk.header().l1_offset.value(), table + 8}) {
    SCOPED_TRACE(place);
    disk.file->set_content(whole);
    disk.set_file64(place, disk.file64(place) ^ qcow2::copied_flag);
    disk.open();
    disk.wait_for_scan();
    disk.write(usual.fresh(), content_of(disk, 3));
    EXPECT_EQ(disk.host_of(usual.fresh()), disk.host_of(3)); // the scan has found it
    EXPECT_TRUE(succeeded(disk.close()));
    EXPECT_NE(disk.extension().table_offset.value(), table);
    disk.open();
    EXPECT_TRUE(disk.counters().table_trusted);
    EXPECT_TRUE(succeeded(disk.close()));
  }
}

// Another program has overwritten a cluster in place and made a table; its header is lost.
TEST(DamagedOutside, ARepairVouchesForNoTableThatIsNotAsClosed) {
  Qcow2Disk disk(usual.shape(), closed_image());
  Content content = disk.file->content();
  content[(disk.l2_entry(3) & qcow2::offset_mask) + 7] ^= std::byte{1};
  for (block::Repair what : {block::Repair::leaks, block::Repair::all}) {
    SCOPED_TRACE(static_cast<int>(what));
    disk.file->set_content(content);
    const std::uint64_t l1 = disk.header().l1_offset.value();
    disk.set_file64(l1, disk.file64(l1) ^ qcow2::copied_flag);
    (void)disk.repair(what);
    disk.open();
    disk.wait_for_index();
    disk.write(usual.fresh(), content_of(disk, 3));
    EXPECT_TRUE(disk.holds(usual.fresh(), content_of(disk, 3)));
    EXPECT_TRUE(succeeded(disk.close()));
  }
}

TEST(DamagedOutside, ARepairRecordsTheTablesThatItLeaves) {
  Qcow2Disk disk(usual.shape(), closed_image());
  const std::uint64_t digest = disk.extension().tables_digest;
  EXPECT_EQ(disk.repair(block::Repair::all).report.corruptions, 0u);
  EXPECT_EQ(disk.extension().tables_digest, digest);
}

TEST(DamagedOutside, AnOlderCopyAsAWholeIsTrusted) {
  Qcow2Disk disk(usual.shape(), closed_image());
  Content older = disk.file->content();
  disk.open();
  for (std::uint64_t guest = 0; guest < usual.old; ++guest)
    disk.write(guest, disk.pattern(800 + static_cast<unsigned>(guest)));
  EXPECT_TRUE(succeeded(disk.close()));
  EXPECT_EQ(use(usual, older), std::vector<std::string>());
}

TEST(CleanEnd, WithoutFlushesTheTableStaysInUse) {
  Qcow2Disk disk(usual.shape());
  EXPECT_TRUE(succeeded(disk.close()));
  block::Graph::OpenDefaults unsafe;
  unsafe.cache_no_flush = true;
  disk.open({}, unsafe);
  disk.write(0, disk.pattern(1));
  EXPECT_TRUE(succeeded(disk.close()));
  EXPECT_TRUE(disk.extension().has(in_use));
}

} // namespace
} // namespace qcow2_dedup
