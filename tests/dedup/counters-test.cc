// Every counter reaches its own field of DedupInfo.
#include "block/dedup/counters.h"

#include <gtest/gtest.h>

namespace dedup {
namespace {

TEST(Counters, FillTheFieldsOfTheSameNames) {
  Counters counters;
  counters.written_bytes.add(1);
  counters.file_written_bytes.add(2);
  counters.deduplicated_clusters.add(3);
  counters.undeduplicated_clusters.add(4);
  counters.zero_clusters.add(5);
  counters.missing_data_reads.add(6);
  counters.hashes_created.add(7);
  counters.hashes_removed.add(8);
  counters.deleted_clusters.add(9);
  counters.refcount_overflows.add(10);
  counters.verify_reads.add(11);
  counters.verify_mismatches.add(12);
  counters.cache_hits.add(13);
  counters.cache_misses.add(14);
  counters.scanned_clusters.add(15);
  counters.scan_deduplicated_clusters.add(16);
  block::DedupInfo info;
  info.index_bytes = 99;
  counters.fill(info);
  EXPECT_EQ(info.written_bytes, 1u);
  EXPECT_EQ(info.file_written_bytes, 2u);
  EXPECT_EQ(info.deduplicated_clusters, 3u);
  EXPECT_EQ(info.undeduplicated_clusters, 4u);
  EXPECT_EQ(info.zero_clusters, 5u);
  EXPECT_EQ(info.missing_data_reads, 6u);
  EXPECT_EQ(info.hashes_created, 7u);
  EXPECT_EQ(info.hashes_removed, 8u);
  EXPECT_EQ(info.deleted_clusters, 9u);
  EXPECT_EQ(info.refcount_overflows, 10u);
  EXPECT_EQ(info.verify_reads, 11u);
  EXPECT_EQ(info.verify_mismatches, 12u);
  EXPECT_EQ(info.cache_hits, 13u);
  EXPECT_EQ(info.cache_misses, 14u);
  EXPECT_EQ(info.scanned_clusters, 15u);
  EXPECT_EQ(info.scan_deduplicated_clusters, 16u);
  EXPECT_EQ(info.index_bytes, 99u);
}

TEST(Counter, AddsOneUnlessToldMore) {
  Counter counter;
  counter.add();
  counter.add(4);
  EXPECT_EQ(counter.value(), 5u);
}

} // namespace
} // namespace dedup
