// Who gets which host cluster, and when a freed one may be used again.
#include "tests/qcow2/image-parts.h"

#include <set>

namespace qcow2 {
namespace {

using block::MemoryOperation;

class AllocatorTest : public testing::Test {
protected:
  static constexpr std::uint64_t first_free = ImageParts::first_free;

  std::uint64_t allocate(std::uint64_t clusters = 1) {
    Result<HostCluster> place = image.allocator.allocate(clusters);
    EXPECT_TRUE(succeeded(place));
    return place ? place->value() : 0;
  }
  Allocator::Run allocate_up_to(std::uint64_t clusters) {
    Result<Allocator::Run> run = image.allocator.allocate_up_to(clusters);
    EXPECT_TRUE(succeeded(run));
    return run ? *run : Allocator::Run{HostCluster(), 0};
  }
  // A reference goes away and the L2 update that dropped it becomes durable.
  void free(std::uint64_t cluster, std::uint64_t clusters = 1) {
    EXPECT_TRUE(succeeded(image.allocator.drop_references(HostCluster(cluster), clusters)));
    image.allocator.begin_drop();
    EXPECT_TRUE(succeeded(image.allocator.end_drop(true)));
  }
  using Runs = std::vector<HostRun>;
  Runs hold(std::size_t most = 100) {
    image.allocator.settle_freed_space();
    return image.allocator.hold_for_punching(most);
  }
  std::uint64_t references(std::uint64_t cluster) {
    Result<std::uint64_t> count = image.allocator.references(HostCluster(cluster));
    EXPECT_TRUE(succeeded(count));
    return count ? *count : UINT64_MAX;
  }

  ImageParts image;
};

TEST_F(AllocatorTest, GivesTheLowestFreePlaceWithOneReference) {
  EXPECT_EQ(allocate(), first_free);
  EXPECT_EQ(allocate(3), first_free + 1);
  EXPECT_EQ(allocate(), first_free + 4);
  for (std::uint64_t cluster = 0; cluster < first_free + 5; ++cluster)
    EXPECT_EQ(image.stored(cluster), 1u);
  EXPECT_EQ(image.stored(first_free + 5), 0u);
}

TEST_F(AllocatorTest, AWishForSeveralClustersThatSkipsAHoleLeavesItToSingleOnes) {
  allocate(20);
  free(first_free + 2);
  free(first_free + 7, 2);
  EXPECT_EQ(allocate(4), first_free + 20); // no hole is large enough
  EXPECT_EQ(allocate(), first_free + 2);
  EXPECT_EQ(allocate(), first_free + 7);
  EXPECT_EQ(allocate(), first_free + 8);
  EXPECT_EQ(allocate(), first_free + 24);
}

TEST_F(AllocatorTest, AWishForSeveralClustersDoesNotSearchAgainWhatItSkipped) {
  allocate(20);
  free(first_free + 2);
  allocate(4);
  // One more hole beside the one that was skipped would do, but the search goes on behind.
  image.refcounts.set(HostCluster(first_free + 3), 0).ok();
  EXPECT_EQ(allocate(2), first_free + 24);
  EXPECT_EQ(allocate(), first_free + 2); // the pointer for single clusters stayed
  EXPECT_EQ(allocate(), first_free + 3);
}

TEST_F(AllocatorTest, SingleClustersDoNotMoveThePointerForSeveral) {
  allocate(20);
  free(first_free, 4);
  EXPECT_EQ(allocate(), first_free);
  EXPECT_EQ(allocate(3), first_free + 1);
}

TEST_F(AllocatorTest, AFreedPlaceIsFoundByBothPointers) {
  allocate(30);
  allocate();
  free(first_free + 5, 3);
  EXPECT_EQ(allocate(3), first_free + 5);
  free(first_free + 9);
  EXPECT_EQ(allocate(), first_free + 9);
}

TEST_F(AllocatorTest, ARunTakesAHoleOnlyIfItHoldsAGoodPartOfTheWish) {
  allocate(100);
  free(first_free + 10, 15);
  free(first_free + 40, 16);
  Allocator::Run run = allocate_up_to(50);
  EXPECT_EQ(run.first.value(), first_free + 40);
  EXPECT_EQ(run.clusters, 16u);
  run = allocate_up_to(34);
  EXPECT_EQ(run.first.value(), first_free + 100);
  EXPECT_EQ(run.clusters, 34u);
  free(first_free); // the search begins there again; a small wish takes any hole that holds it
  run = allocate_up_to(15);
  EXPECT_EQ(run.first.value(), first_free + 10);
  EXPECT_EQ(run.clusters, 15u);
}

TEST_F(AllocatorTest, AReferenceThatWentAwayCountsNoMoreButIsStoredUntilItsDropIsDurable) {
  std::uint64_t cluster = allocate();
  ASSERT_TRUE(succeeded(image.allocator.add_reference(HostCluster(cluster))));
  EXPECT_EQ(*image.allocator.drop_reference(HostCluster(cluster)), 1u);
  EXPECT_EQ(*image.allocator.drop_reference(HostCluster(cluster)), 0u);
  EXPECT_EQ(references(cluster), 0u);
  EXPECT_EQ(image.stored(cluster), 2u);
  EXPECT_EQ(allocate(), cluster + 1); // not used again yet
  image.allocator.begin_drop();
  EXPECT_EQ(references(cluster), 0u); // neither in between
  EXPECT_EQ(image.stored(cluster), 2u);
  EXPECT_EQ(hold(), Runs()); // nor punched
  ASSERT_TRUE(succeeded(image.allocator.end_drop(true)));
  EXPECT_EQ(hold(), (Runs{{HostCluster(cluster), 1}}));
  image.allocator.release_punched();
  EXPECT_EQ(image.stored(cluster), 0u);
  EXPECT_EQ(allocate(), cluster);
}

TEST_F(AllocatorTest, ADropThatDidNotBecomeDurableIsNotedAgain) {
  std::uint64_t cluster = allocate();
  ASSERT_TRUE(succeeded(image.allocator.drop_reference(HostCluster(cluster))));
  image.allocator.begin_drop();
  EXPECT_FALSE(image.allocator.has_dropped());
  ASSERT_TRUE(succeeded(image.allocator.end_drop(false)));
  EXPECT_EQ(hold(), Runs());
  EXPECT_TRUE(image.allocator.has_dropped());
  EXPECT_EQ(references(cluster), 0u);
  EXPECT_EQ(image.stored(cluster), 1u);
  EXPECT_EQ(allocate(), cluster + 1);
}

TEST_F(AllocatorTest, ADropWhoseRefcountCannotBeReadIsNotedAgainAndHindersNoOther) {
  const std::uint64_t first = allocate(2);
  ASSERT_TRUE(succeeded(image.allocator.drop_references(HostCluster(first), 2)));
  image.allocator.begin_drop();
  std::vector<TableWrite> counts = image.refcounts.blocks().begin_write_back();
  ASSERT_TRUE(
      succeeded(write_tables(image.host.file, block::DebugEvent::refblock_update_part, counts)));
  image.refcounts.blocks().end_write_back(counts, true);
  image.refcounts.blocks().forget(counts.at(0).table); // is not in memory any more
  image.host.memory->fail(MemoryOperation::read, 1, EIO);
  EXPECT_FALSE(image.allocator.end_drop(true));
  EXPECT_EQ(references(first) + references(first + 1), 0u);
  EXPECT_EQ(image.stored(first) + image.stored(first + 1), 1u);
  image.allocator.begin_drop();
  ASSERT_TRUE(succeeded(image.allocator.end_drop(true)));
  EXPECT_EQ(hold(), (Runs{{HostCluster(first), 2}}));
  image.allocator.release_punched();
  EXPECT_EQ(allocate(2), first);
}

TEST_F(AllocatorTest, FreeClustersArePunchedInRunsFromTheEndOn) {
  allocate(30);
  free(first_free + 2);
  free(first_free + 9);
  free(first_free + 20, 2);
  free(first_free + 8); // joins the other one
  EXPECT_EQ(hold(), (Runs{{HostCluster(first_free + 2), 1},
                          {HostCluster(first_free + 8), 2},
                          {HostCluster(first_free + 20), 2}}));
  image.allocator.release_punched();
  EXPECT_EQ(hold(), Runs()); // once is enough
}

TEST_F(AllocatorTest, WhatOverwritingFreedIsPunchedAfterAWholePeriod) {
  allocate(70000); // more than one chunk of the set of free clusters
  free(first_free + 2);
  free(first_free + 4);
  free(first_free + 66000);
  image.allocator.age_freed_space();
  free(first_free + 3);
  free(first_free + 9);
  EXPECT_EQ(image.allocator.hold_for_punching(100), Runs()); // some were free for a moment only
  EXPECT_EQ(allocate(), first_free + 2);                     // used again in time
  image.allocator.age_freed_space();
  EXPECT_EQ(image.allocator.hold_for_punching(100),
            (Runs{{HostCluster(first_free + 4), 1}, {HostCluster(first_free + 66000), 1}}));
  image.allocator.release_punched();
  EXPECT_EQ(allocate(), first_free + 3);
  image.allocator.age_freed_space();
  EXPECT_EQ(image.allocator.hold_for_punching(100), (Runs{{HostCluster(first_free + 9), 1}}));
}

TEST_F(AllocatorTest, WhatARequestFreedIsPunchedAtOnce) {
  allocate(5);
  image.allocator.note_dropped(HostCluster(first_free + 1), 0, DropCause::request);
  image.allocator.begin_drop();
  EXPECT_TRUE(succeeded(image.allocator.end_drop(true)));
  EXPECT_EQ(image.allocator.hold_for_punching(100), (Runs{{HostCluster(first_free + 1), 1}}));
}

TEST_F(AllocatorTest, WhatIsUsedAgainIsNotPunched) {
  allocate(30);
  free(first_free + 2, 3);
  EXPECT_EQ(allocate(), first_free + 2);
  EXPECT_EQ(hold(), (Runs{{HostCluster(first_free + 3), 2}}));
}

TEST_F(AllocatorTest, NobodyIsGivenWhatIsJustBeingPunched) {
  allocate(60);
  free(first_free + 2, 3);
  ASSERT_EQ(hold(), (Runs{{HostCluster(first_free + 2), 3}}));
  free(first_free + 10);
  EXPECT_EQ(allocate(), first_free + 10);
  image.allocator.release_punched();
  EXPECT_EQ(allocate(), first_free + 2);
}

TEST_F(AllocatorTest, ARunEndsWhereThatBeginsWhichIsBeingPunched) {
  allocate(60);
  free(first_free + 30, 10);
  ASSERT_EQ(hold(), (Runs{{HostCluster(first_free + 30), 10}}));
  free(first_free + 10, 20);
  EXPECT_EQ(allocate_up_to(30), (HostRun{HostCluster(first_free + 10), 20}));
  EXPECT_EQ(allocate(5), first_free + 60);
  image.allocator.release_punched();
  EXPECT_EQ(allocate(5), first_free + 30);
}

TEST_F(AllocatorTest, RunsThatAreLongerThanAChunkArePunchedInPieces) {
  const std::uint64_t first = allocate(70000);
  free(first, 70000);
  std::uint64_t clusters = 0;
  for (Runs runs = hold(1); !runs.empty(); runs = hold(1)) {
    EXPECT_EQ(runs.size(), 1u);
    clusters += runs[0].clusters;
    image.allocator.release_punched();
  }
  EXPECT_EQ(clusters, 70000u);
  EXPECT_EQ(allocate(70000), first);
}

TEST_F(AllocatorTest, AClusterWithoutReferencesCannotLoseOne) {
  EXPECT_EQ(kind_of(image.allocator.drop_reference(HostCluster(first_free))),
            block::ErrorKind::corrupt);
  std::uint64_t cluster = allocate();
  ASSERT_TRUE(succeeded(image.allocator.drop_reference(HostCluster(cluster))));
  EXPECT_EQ(kind_of(image.allocator.drop_reference(HostCluster(cluster))),
            block::ErrorKind::corrupt);
}

TEST_F(AllocatorTest, WhatWasNeverLinkedIsFreeAtOnce) {
  std::uint64_t cluster = allocate(3);
  ASSERT_TRUE(succeeded(image.allocator.release_unused(HostCluster(cluster), 3)));
  EXPECT_EQ(allocate(3), cluster);
}

TEST_F(AllocatorTest, AReferenceMayBeAddedUpToTheLimitOfTheStoredCount) {
  HostCluster cluster(allocate());
  EXPECT_TRUE(*image.allocator.can_add_reference(cluster, 2));
  ASSERT_TRUE(succeeded(image.allocator.add_reference(cluster)));
  EXPECT_FALSE(*image.allocator.can_add_reference(cluster, 2));
  // A reference that went away still stands in the file.
  ASSERT_TRUE(succeeded(image.allocator.drop_reference(cluster)));
  EXPECT_FALSE(*image.allocator.can_add_reference(cluster, 2));
  image.allocator.begin_drop();
  ASSERT_TRUE(succeeded(image.allocator.end_drop(true)));
  EXPECT_TRUE(*image.allocator.can_add_reference(cluster, 2));
}

TEST_F(AllocatorTest, NoLimitIsBeyondWhatTheRefcountCanHold) {
  ImageParts narrow(12, 1); // two bits
  HostCluster cluster = narrow.allocator.allocate(1).value();
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(*narrow.allocator.can_add_reference(cluster, UINT64_MAX));
    ASSERT_TRUE(succeeded(narrow.allocator.add_reference(cluster)));
  }
  EXPECT_FALSE(*narrow.allocator.can_add_reference(cluster, UINT64_MAX));
  EXPECT_EQ(narrow.stored(cluster.value()), 3u);
  EXPECT_EQ(narrow.stored(cluster.value() + 1), 0u);
}

TEST_F(AllocatorTest, MetadataThatTheRefcountsCallFreeIsNotGivenAway) {
  image.allocator.metadata().add(HostCluster(first_free), 1);
  EXPECT_EQ(kind_of(image.allocator.allocate(1)), block::ErrorKind::corrupt);
  EXPECT_EQ(kind_of(image.allocator.check_data_place(HostCluster(first_free))),
            block::ErrorKind::corrupt);
  EXPECT_TRUE(succeeded(image.allocator.check_data_place(HostCluster(first_free + 1))));
}

TEST_F(AllocatorTest, PlacesOfMetadataEndWhenTheyAreFree) {
  HostCluster place = image.allocator.allocate_metadata(2).value();
  EXPECT_TRUE(image.allocator.metadata().contains(place + 1));
  free(place.value(), 2);
  EXPECT_FALSE(image.allocator.metadata().contains_any(place, 2));
  EXPECT_EQ(allocate(2), place.value());
}

// Their clusters are not used again before, so it is their size that counts.
TEST(Allocator, ManyDroppedReferencesAskForAWriteBack) {
  for (auto [cluster_bits, expected] : {std::pair{12u, 16384u}, {16u, 1024u}, {21u, 64u}}) {
    ImageParts parts(cluster_bits, 4);
    HostCluster first = parts.allocator.allocate(1).value();
    std::uint64_t dropped = 0;
    for (; !parts.allocator.wants_write_back() && dropped < 100'000; ++dropped)
      parts.allocator.note_dropped(first + dropped, 0, DropCause::other);
    EXPECT_EQ(dropped, expected) << cluster_bits;
  }
}

// 64 counts in a block, 64 blocks in a table of one cluster.
class SmallBlocks : public AllocatorTest {
protected:
  SmallBlocks() : small(9, 6) {}
  std::uint64_t take(std::uint64_t clusters) {
    Result<HostCluster> place = small.allocator.allocate(clusters);
    EXPECT_TRUE(succeeded(place));
    for (std::uint64_t i = 0; place && i < clusters; ++i)
      EXPECT_TRUE(taken.insert(place->value() + i).second) << "given away twice";
    return place ? place->value() : 0;
  }
  void expect_every_count_is_one() {
    for (std::uint64_t cluster : taken)
      EXPECT_EQ(small.stored(cluster), 1u);
    for (HostOffset block : small.refcounts.block_places()) {
      std::uint64_t cluster = block.value() / small.cluster_bytes();
      EXPECT_EQ(small.stored(cluster), 1u);
      EXPECT_TRUE(small.allocator.metadata().contains(HostCluster(cluster)));
      EXPECT_FALSE(taken.contains(cluster));
    }
  }

  ImageParts small;
  std::set<std::uint64_t> taken;
};

TEST_F(SmallBlocks, ANewBlockGoesBehindTheRunThatNeedsIt) {
  EXPECT_EQ(take(100), first_free);
  ASSERT_EQ(small.refcounts.block_places().size(), 2u);
  EXPECT_EQ(small.refcounts.block_places()[1].value() / small.cluster_bytes(), first_free + 100);
  expect_every_count_is_one();
}

TEST_F(SmallBlocks, NoNewBlockGoesOverMetadataThatTheRefcountsCallFree) {
  small.allocator.metadata().add(HostCluster(first_free + 100), 1);
  EXPECT_EQ(kind_of(small.allocator.allocate(100)), block::ErrorKind::corrupt);
  EXPECT_EQ(small.refcounts.block_places().size(), 1u);
  EXPECT_TRUE(small.allocator.metadata().contains(HostCluster(first_free + 100)));
  EXPECT_EQ(small.stored(first_free), 0u);
}

TEST_F(SmallBlocks, NoNewTableGoesOverMetadataThatNothingCounts) {
  std::uint64_t counted = small.refcounts.capacity();
  for (std::uint64_t cluster : {counted, counted + 1, counted + 2}) {
    small.allocator.metadata().add(HostCluster(cluster), 1);
    EXPECT_EQ(kind_of(small.allocator.allocate(counted)), block::ErrorKind::corrupt);
    EXPECT_EQ(small.refcounts.capacity(), counted);
    EXPECT_TRUE(small.tables_stored.empty());
    EXPECT_TRUE(small.allocator.metadata().contains(HostCluster(cluster)));
    small.allocator.metadata().remove(HostCluster(cluster));
  }
  take(counted);
  expect_every_count_is_one();
}

TEST_F(SmallBlocks, ARunMayNeedSeveralBlocks) {
  take(1000);
  EXPECT_EQ(small.refcounts.block_places().size(), 16u);
  expect_every_count_is_one();
}

TEST_F(SmallBlocks, ABlockThatCannotBeStoredIsTakenBack) {
  small.host.memory->fail(MemoryOperation::write, 1, ENOSPC);
  EXPECT_EQ(kind_of(small.allocator.allocate(100)), block::ErrorKind::no_space);
  EXPECT_EQ(small.refcounts.block_places().size(), 1u);
  EXPECT_EQ(small.stored(first_free), 0u);
  EXPECT_EQ(take(100), first_free);
  expect_every_count_is_one();
}

TEST_F(SmallBlocks, TheTableGrowsInAnotherPlaceAndItsOldOneIsFreedLater) {
  while (small.tables_stored.empty())
    take(50);
  ASSERT_EQ(small.tables_stored.size(), 1u);
  EXPECT_EQ(small.tables_stored[0].first, small.refcounts.table().place());
  EXPECT_GE(small.tables_stored[0].second, 2u);
  EXPECT_GE(small.refcounts.capacity(), 2u * 4096);
  EXPECT_EQ(references(1), 1u);
  EXPECT_EQ(*small.allocator.references(HostCluster(1)), 0u);
  EXPECT_EQ(small.stored(1), 1u);
  // The table in the file names all blocks that were there when it moved.
  std::uint64_t table = small.refcounts.table().place().value();
  std::vector<HostOffset> blocks = small.refcounts.block_places();
  for (std::size_t i = 0; i < 64; ++i)
    EXPECT_EQ(small.file64(table + i * 8), blocks[i].value());
  take(50);
  expect_every_count_is_one();
  small.allocator.begin_drop();
  ASSERT_TRUE(succeeded(small.allocator.end_drop(true)));
  EXPECT_EQ(take(1), 1u);
}

TEST_F(SmallBlocks, ATableThatCannotBeStoredStaysWhereItWas) {
  take(3900); // of 4096 that the table can count
  HostOffset place = small.refcounts.table().place();
  std::size_t blocks = small.refcounts.block_places().size();
  small.host.memory->fail_always(MemoryOperation::flush, EIO);
  EXPECT_EQ(kind_of(small.allocator.allocate(300)), block::ErrorKind::io);
  small.host.memory->heal();
  EXPECT_TRUE(small.tables_stored.empty());
  EXPECT_EQ(small.refcounts.table().place(), place);
  EXPECT_EQ(small.refcounts.capacity(), 4096u);
  EXPECT_EQ(small.refcounts.block_places().size(), blocks);
  take(300);
  EXPECT_EQ(small.tables_stored.size(), 1u);
  expect_every_count_is_one();
}

} // namespace
} // namespace qcow2
