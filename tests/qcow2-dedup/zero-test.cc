// Clusters of zeros: how they are found, what they cost, and what they give back.
#include "tests/support/qcow2-disk.h"

#include <thread>

namespace qcow2_dedup {
namespace {

using block::DiskShape;
using block::MemoryOperation;
using block::Options;
using block::Qcow2Disk;
using block::WriteWatch;

DiskShape shaped(bool dedup, unsigned cluster_bits, std::uint64_t guest_clusters,
                 Options open = {}) {
  DiskShape shape;
  shape.dedup = dedup;
  shape.cluster_bits = cluster_bits;
  shape.guest_clusters = guest_clusters;
  shape.open = std::move(open);
  return shape;
}

void expect_clean_after_close(Qcow2Disk& disk) {
  EXPECT_TRUE(succeeded(disk.close()));
  disk.expect_clean();
}

// --- Detection, by what the node's option says. ---

// The L2 entry that a cluster of data has after a write of zeros over it.
std::uint64_t entry_after_zeros(bool dedup, Options open) {
  Qcow2Disk disk(shaped(dedup, 12, 64, std::move(open)));
  disk.write(3, disk.pattern(1));
  disk.write(3, disk.zeros());
  EXPECT_TRUE(disk.holds(3, disk.zeros()));
  expect_clean_after_close(disk);
  return disk.l2_entry(3);
}

TEST(DetectZeroes, OffStoresZerosAsData) {
  for (bool dedup : {false, true}) {
    qcow2::L2Entry entry(entry_after_zeros(dedup, {{"detect-zeroes", "off"}}));
    EXPECT_TRUE(entry.is_data());
    EXPECT_TRUE(entry.copied());
  }
}

TEST(DetectZeroes, OffSharesThemAsItSharesOtherContent) {
  Qcow2Disk disk(shaped(true, 12, 64, {{"detect-zeroes", "off"}}));
  disk.write(0, disk.zeros() + disk.zeros() + disk.zeros());
  EXPECT_EQ(disk.refcount_of(0), 3u);
  EXPECT_EQ(disk.counters().zero_clusters, 0u);
  EXPECT_EQ(disk.counters().deduplicated_clusters, 2u);
  expect_clean_after_close(disk);
}

TEST(DetectZeroes, OnMakesAZeroEntryThatKeepsItsClusterInAPlainImage) {
  qcow2::L2Entry entry(entry_after_zeros(false, {{"detect-zeroes", "on"}}));
  EXPECT_TRUE(entry.reads_as_zeros());
  EXPECT_TRUE(entry.host_offset());
}

TEST(DetectZeroes, UnmapMakesAZeroEntryWithoutACluster) {
  for (bool dedup : {false, true})
    EXPECT_EQ(entry_after_zeros(dedup, {{"detect-zeroes", "unmap"}}), qcow2::zero_flag);
}

TEST(DetectZeroes, IsOffForAPlainImageAndUnmapsForADeduplicatedOneUnlessTheUserSaysOtherwise) {
  EXPECT_TRUE(qcow2::L2Entry(entry_after_zeros(false, {})).is_data());
  EXPECT_EQ(entry_after_zeros(true, {}), qcow2::zero_flag);
  EXPECT_EQ(entry_after_zeros(true, {{"detect-zeroes", "on"}}), qcow2::zero_flag);
}

TEST(DetectZeroes, OneByteThatIsNotZeroAnywhereInAClusterIsSeen) {
  Qcow2Disk disk(shaped(true, 9, 1024));
  for (std::uint64_t at = 0; at < disk.cluster_bytes(); ++at) {
    std::string almost = disk.zeros();
    almost[at] = 1;
    disk.write(at, almost);
  }
  EXPECT_EQ(disk.counters().zero_clusters, 0u);
  EXPECT_EQ(disk.counters().undeduplicated_clusters, disk.cluster_bytes());
  expect_clean_after_close(disk);
}

// --- Over a backing file. ---

class ZerosOverABackingFile : public testing::TestWithParam<bool> {
protected:
  ZerosOverABackingFile() : base(shaped(false, 12, 64)), top(shaped(GetParam(), 12, 64)) {
    std::string data;
    for (unsigned i = 0; i < 64; ++i)
      data += base.pattern(100 + i);
    base.write(0, data);
    std::string half = base.zeros().replace(0, 2048, base.pattern(1), 0, 2048);
    base.write(9, half); // its second half is zero already
    EXPECT_TRUE(succeeded(base.close()));
    EXPECT_TRUE(succeeded(top.close()));
    open();
  }
  void open() {
    top.open({{"detect-zeroes", "unmap"},
              {"backing.driver", "qcow2"},
              {"backing.file.driver", "memory"},
              {"backing.file.filename", base.file->name()}});
  }
  void reopen() {
    EXPECT_TRUE(succeeded(top.close()));
    open();
  }
  Qcow2Disk base, top;
};

TEST_P(ZerosOverABackingFile, HideItAndStoreNothing) {
  top.write(2, block::zeros(5 * top.cluster_bytes()));
  for (int round = 0; round < 2; ++round) {
    EXPECT_TRUE(top.holds(1, top.pattern(101)));
    EXPECT_TRUE(top.holds(2, block::zeros(5 * top.cluster_bytes())));
    EXPECT_TRUE(top.holds(7, top.pattern(107)));
    EXPECT_TRUE(top.status(2).allocated);
    EXPECT_FALSE(top.host_of(2));
    reopen();
  }
  EXPECT_TRUE(succeeded(top.close()));
  top.expect_clean();
}

TEST_P(ZerosOverABackingFile, ThatCoverAPartKeepTheRest) {
  top.write_at(2 * top.cluster_bytes() + 100, block::zeros(3 * top.cluster_bytes()));
  std::string expected = top.pattern(102).substr(0, 100) + block::zeros(3 * top.cluster_bytes()) +
                         top.pattern(105).substr(100);
  EXPECT_TRUE(top.holds(2, expected));
  EXPECT_FALSE(top.host_of(3));
  EXPECT_FALSE(top.host_of(4));
  reopen();
  EXPECT_TRUE(top.holds(2, expected));
}

TEST_P(ZerosOverABackingFile, DiscardedOrZeroedByRequestHideItToo) {
  top.discard(2, 2);
  top.write_zeroes(5, 2, true);
  std::string zeros = block::zeros(2 * top.cluster_bytes());
  for (int round = 0; round < 2; ++round) {
    EXPECT_TRUE(top.holds(1, top.pattern(101) + zeros + top.pattern(104) + zeros));
    EXPECT_TRUE(top.holds(7, top.pattern(107)));
    reopen();
  }
}

INSTANTIATE_TEST_SUITE_P(Image, ZerosOverABackingFile, testing::Bool(), [](const auto& image) {
  return std::string(image.param ? "Dedup" : "Plain");
});

TEST(ZerosOverADedupBackingFile, AFirstPartialWriteThatLeavesOnlyZerosMakesAZeroMapping) {
  Qcow2Disk base(shaped(false, 12, 8)), top(shaped(true, 12, 8));
  std::string half = base.zeros().replace(0, 2048, base.pattern(1), 0, 2048);
  base.write(3, half);
  EXPECT_TRUE(succeeded(base.close()));
  EXPECT_TRUE(succeeded(top.close()));
  top.open({{"backing.driver", "qcow2"},
            {"backing.file.driver", "memory"},
            {"backing.file.filename", base.file->name()}});
  top.write_at(3 * top.cluster_bytes(), block::zeros(2048));
  EXPECT_TRUE(top.holds(3, top.zeros()));
  EXPECT_FALSE(top.host_of(3));
  EXPECT_TRUE(top.status(3).allocated);
  EXPECT_EQ(top.counters().zero_clusters, 1u);
  EXPECT_EQ(top.counters().file_written_bytes, 0u);
}

// --- Runs. ---

// L2 tables of 64 entries: a run of 192 clusters from the 32nd on touches four.
class Runs : public testing::Test {
protected:
  static constexpr std::uint64_t clusters = 192, first = 32;
  Runs() {
    std::string data;
    for (unsigned i = 0; i < clusters; ++i)
      data += disk.pattern(1 + i);
    disk.write(first, data);
    disk.write(300, data);
    disk.flush();
  }
  // Each of the four L2 tables is written once by the flush that follows, and none before.
  template <typename Change>
  void expect_one_update_of_each_table(Change change) {
    WriteWatch watch(*disk.file);
    change();
    EXPECT_EQ(watch.writes(), 0u);
    disk.flush();
    for (std::uint64_t guest = 0; guest < 256; guest += 64) {
      std::uint64_t table = disk.l2_entry_place(guest) / disk.cluster_bytes();
      EXPECT_EQ(watch.writes_to(table, disk.cluster_bytes()), 1u);
    }
  }
  Qcow2Disk disk{shaped(true, 9, 1024)};
};

TEST_F(Runs, OfZerosUpdateEachL2TableOnce) {
  expect_one_update_of_each_table(
      [&] { disk.write(first, block::zeros(clusters * disk.cluster_bytes())); });
  EXPECT_EQ(disk.counters().zero_clusters, clusters);
  expect_clean_after_close(disk);
}

TEST_F(Runs, OfDuplicatesUpdateEachL2TableOnce) {
  std::string data; // in another order, so that every entry changes
  for (unsigned i = 0; i < clusters; ++i)
    data += disk.pattern(clusters - i);
  expect_one_update_of_each_table([&] { disk.write(first, data); });
  EXPECT_EQ(disk.counters().deduplicated_clusters, 2 * clusters);
  expect_clean_after_close(disk);
}

TEST_F(Runs, OfDiscardedClustersUpdateEachL2TableOnce) {
  expect_one_update_of_each_table([&] { disk.discard(first, clusters); });
  expect_clean_after_close(disk);
}

// --- Space that goes back to the file. ---

// Guest clusters 0 to 3 are given up; the host clusters of which one had another owner stay.
class GivenUp : public testing::Test {
protected:
  using Ranges = std::vector<std::pair<std::uint64_t, std::uint64_t>>;

  void prepare(Qcow2Disk& disk) {
    disk.write(0, disk.pattern(1) + disk.pattern(2) + disk.pattern(3) + disk.pattern(4));
    disk.write(9, disk.pattern(2));
    disk.flush();
    host = *disk.host_of(0);
    watch(disk);
  }
  // Also calls `at_each` hole.
  void watch(Qcow2Disk& disk, std::function<void()> at_each = {}) {
    disk.file->set_hook(
        [this, at_each](MemoryOperation operation, std::uint64_t offset, std::uint64_t bytes) {
          if (operation != MemoryOperation::discard) return;
          punched.emplace_back(offset, bytes);
          if (at_each) at_each();
        });
  }
  void expect_punched(Qcow2Disk& disk) {
    EXPECT_EQ(punched, Ranges()); // not before the update of the L2 table is durable
    disk.flush();
    std::uint64_t bytes = disk.cluster_bytes();
    EXPECT_EQ(punched, (Ranges{{host * bytes, bytes}, {(host + 2) * bytes, 2 * bytes}}));
    disk.file->set_hook({});
    EXPECT_TRUE(disk.holds(0, block::zeros(4 * bytes)));
    EXPECT_TRUE(disk.holds(9, disk.pattern(2)));
    EXPECT_EQ(disk.refcount_of(9), 1u);
    expect_reused(disk);
  }
  void expect_reused(Qcow2Disk& disk) {
    disk.write(20, disk.pattern(50));
    EXPECT_EQ(disk.host_of(20), host); // the lowest free place
    EXPECT_TRUE(disk.holds(20, disk.pattern(50)));
    expect_clean_after_close(disk);
  }

  std::uint64_t host = 0;
  Ranges punched;
};

TEST_F(GivenUp, DiscardedClustersAreFreedAndPunched) {
  Qcow2Disk disk(shaped(true, 12, 64));
  prepare(disk);
  disk.discard(0, 4);
  expect_punched(disk);
}

TEST_F(GivenUp, ClustersOfWriteZeroesAreFreedAndPunched) {
  Qcow2Disk disk(shaped(true, 12, 64));
  prepare(disk);
  disk.write_zeroes(0, 4, true);
  expect_punched(disk);
}

// What nobody asked to give back may be used again soon, so it stays until it has settled.
TEST_F(GivenUp, OverwrittenWithZerosAreFreedAtOnceAndPunchedByTheClose) {
  Qcow2Disk disk(shaped(true, 12, 64));
  prepare(disk);
  disk.reopen(); // the dedup table has its place now, and takes none of what becomes free
  disk.write(0, block::zeros(4 * disk.cluster_bytes()));
  disk.flush();
  EXPECT_EQ(punched, Ranges());
  EXPECT_TRUE(succeeded(disk.close()));
  std::uint64_t bytes = disk.cluster_bytes();
  EXPECT_EQ(punched, (Ranges{{host * bytes, bytes}, {(host + 2) * bytes, 2 * bytes}}));
  disk.file->set_hook({});
  disk.open();
  EXPECT_TRUE(disk.holds(0, block::zeros(4 * bytes)));
  expect_reused(disk);
}

TEST_F(GivenUp, PlainImagesGiveSpaceBackToo) {
  Qcow2Disk disk(shaped(false, 12, 64));
  disk.write(0, disk.pattern(1));
  disk.flush();
  watch(disk);
  disk.discard(0);
  disk.flush();
  EXPECT_EQ(punched.size(), 1u);
}

TEST_F(GivenUp, EachCauseHasItsOption) {
  for (bool request : {false, true}) {
    Qcow2Disk disk(
        shaped(true, 12, 64, {{request ? "pass-discard-other" : "pass-discard-request", "off"}}));
    prepare(disk);
    disk.discard(0);
    disk.write(2, disk.pattern(2)); // a duplicate takes its place
    EXPECT_TRUE(succeeded(disk.close()));
    std::uint64_t bytes = disk.cluster_bytes();
    EXPECT_EQ(punched, (Ranges{{(request ? host : host + 2) * bytes, bytes}}));
    disk.file->set_hook({});
    punched.clear();
  }
}

TEST_F(GivenUp, NothingIsPunchedWithDiscardIgnore) {
  Qcow2Disk disk(shaped(true, 12, 64, {{"discard", "ignore"}}));
  prepare(disk);
  disk.discard(0, 4);
  disk.write(0, block::zeros(4 * disk.cluster_bytes()));
  disk.flush();
  EXPECT_EQ(punched, Ranges());
  disk.file->set_hook({});
  expect_reused(disk);
}

TEST_F(GivenUp, AGuestIsNotGivenWhatIsJustBeingPunched) {
  Qcow2Disk disk(shaped(true, 12, 64));
  prepare(disk);
  disk.discard(0, 4);
  std::optional<std::uint64_t> given;
  disk.file->set_hook([&](MemoryOperation operation, std::uint64_t, std::uint64_t) {
    if (operation != MemoryOperation::discard || given) return;
    given = 0;
    std::thread([&] { // would wait for ever if the metadata lock were held
      disk.write(20, disk.pattern(50));
      given = disk.host_of(20);
    })
        .join();
  });
  disk.flush();
  disk.file->set_hook({});
  ASSERT_TRUE(given);
  EXPECT_GT(*given, host + 3);
  EXPECT_TRUE(disk.holds(20, disk.pattern(50)));
  EXPECT_TRUE(disk.holds(9, disk.pattern(2)));
  expect_clean_after_close(disk);
}

// Punching takes a small part of the time; the close does the rest.
TEST_F(GivenUp, WhatThereWasNoTimeForIsPunchedOnceTheImageIsClosed) {
  constexpr std::uint64_t holes = 100;
  Qcow2Disk disk(shaped(true, 12, 3 * holes));
  std::string data;
  for (unsigned seed = 1; seed <= 2 * holes; ++seed)
    data += disk.pattern(seed);
  disk.write(0, data);
  disk.flush();
  for (std::uint64_t hole = 0; hole < holes; ++hole)
    disk.discard(2 * hole);
  watch(disk, [&] {
    if (punched.size() == 1) std::this_thread::sleep_for(std::chrono::milliseconds(400));
  });
  disk.flush();
  EXPECT_GT(punched.size(), 0u);
  EXPECT_LT(punched.size(), holes);
  disk.flush();
  const std::size_t before = punched.size();
  EXPECT_LT(before, holes);
  bool clean = true;
  watch(disk, [&] { clean = clean && !disk.header().dirty(); });
  ASSERT_TRUE(succeeded(disk.close()));
  disk.file->set_hook({});
  EXPECT_TRUE(clean);
  EXPECT_EQ(punched.size(), holes);
  disk.expect_clean();
}

TEST_F(GivenUp, AnL2EntryThatNamesMetadataFreesNothing) {
  Qcow2Disk disk(shaped(true, 12, 64));
  prepare(disk);
  ASSERT_TRUE(succeeded(disk.close()));
  disk.set_file64(disk.l2_entry_place(0), disk.header().l1_offset.value() | qcow2::copied_flag);
  disk.open();
  watch(disk);
  EXPECT_EQ(kind_of(disk.node().co_pdiscard(0, disk.cluster_bytes())), block::ErrorKind::corrupt);
  EXPECT_EQ(punched, Ranges());
  disk.kill();
}

TEST_F(GivenUp, AHoleThatCannotBePunchedCostsSpaceOnly) {
  Qcow2Disk disk(shaped(true, 12, 64));
  prepare(disk);
  disk.file->fail_always(MemoryOperation::discard, EIO);
  disk.discard(0, 4);
  disk.flush();
  disk.file->heal();
  expect_reused(disk);
}

} // namespace
} // namespace qcow2_dedup
