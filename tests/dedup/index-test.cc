// The tree index against a plain model, its bounds, and its own account of its memory.
#include "block/dedup/index-leaf.h"
#include "block/dedup/lookups.h"

#include "block/endian.h"

#include <gtest/gtest.h>
#include <malloc.h>

#include <algorithm>
#include <random>
#include <unordered_map>
#include <vector>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define ALLOCATOR_IS_REPLACED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define ALLOCATOR_IS_REPLACED 1
#endif
#endif

namespace dedup {
namespace {

using block::HostCluster;

Fingerprint fingerprint(std::uint64_t prefix64) {
  Fingerprint result;
  block::store_big_endian(result.bytes.data(), prefix64);
  return result;
}

// A fingerprint whose short prefix is exactly this number.
Fingerprint short_fingerprint(std::uint64_t prefix48) {
  return fingerprint(prefix48 << 16);
}

std::vector<std::uint64_t> found(const Index& index, const Fingerprint& of) {
  std::vector<std::uint64_t> clusters;
  for (HostCluster cluster : index.find(of))
    clusters.push_back(cluster.value());
  return clusters;
}

using Clusters = std::vector<std::uint64_t>;

TEST(Index, FindsNothingWhenEmpty) {
  const auto index = make_tree_index();
  EXPECT_TRUE(index->find(fingerprint(1)).empty());
  EXPECT_FALSE(index->remove(fingerprint(1), HostCluster(1)));
  EXPECT_EQ(index->entries(), 0u);
  EXPECT_EQ(index->memory_bytes(), 0u);
}

TEST(Index, FindsAClusterUntilItIsRemoved) {
  const auto index = make_tree_index();
  EXPECT_TRUE(index->insert(fingerprint(7), HostCluster(42)));
  EXPECT_EQ(found(*index, fingerprint(7)), Clusters{42});
  EXPECT_FALSE(index->remove(fingerprint(7), HostCluster(43)));
  EXPECT_TRUE(index->remove(fingerprint(7), HostCluster(42)));
  EXPECT_FALSE(index->remove(fingerprint(7), HostCluster(42)));
  EXPECT_TRUE(index->find(fingerprint(7)).empty());
  EXPECT_EQ(index->memory_bytes(), 0u);
}

TEST(Index, KeepsTheSmallestAndGreatestFingerprintsAndClusters) {
  const auto index = make_tree_index();
  const std::uint64_t greatest_cluster = (std::uint64_t{1} << 48) - 1;
  for (const std::uint64_t prefix : {std::uint64_t{0}, ~std::uint64_t{0}})
    for (const std::uint64_t cluster : {std::uint64_t{0}, greatest_cluster})
      EXPECT_TRUE(index->insert(fingerprint(prefix), HostCluster(cluster)));
  EXPECT_EQ(found(*index, fingerprint(0)), (Clusters{0, greatest_cluster}));
  EXPECT_EQ(found(*index, fingerprint(~std::uint64_t{0})), (Clusters{0, greatest_cluster}));
}

TEST(Index, RefusesAClusterNumberThatNoFileHas) {
  const auto index = make_tree_index();
  EXPECT_FALSE(index->insert(fingerprint(1), HostCluster(std::uint64_t{1} << 48)));
  EXPECT_EQ(index->entries(), 0u);
}

TEST(Index, StoresAKnownPairOnce) {
  const auto index = make_tree_index();
  EXPECT_TRUE(index->insert(fingerprint(1), HostCluster(5)));
  EXPECT_TRUE(index->insert(fingerprint(1), HostCluster(5)));
  EXPECT_EQ(index->entries(), 1u);
  EXPECT_EQ(found(*index, fingerprint(1)), Clusters{5});
}

TEST(Index, ReturnsCandidatesOfOneFingerprintInTheOrderTheyCame) {
  const auto index = make_tree_index();
  for (const std::uint64_t cluster : {30u, 10u, 20u})
    EXPECT_TRUE(index->insert(fingerprint(9), HostCluster(cluster)));
  EXPECT_EQ(found(*index, fingerprint(9)), (Clusters{30, 10, 20}));
}

TEST(Index, DropsTheNinthClusterOfOneShortFingerprint) {
  const auto index = make_tree_index();
  for (std::uint64_t cluster = 0; cluster < 8; ++cluster)
    EXPECT_TRUE(index->insert(fingerprint(9), HostCluster(cluster)));
  EXPECT_FALSE(index->insert(fingerprint(9), HostCluster(8)));
  EXPECT_EQ(found(*index, fingerprint(9)), (Clusters{0, 1, 2, 3, 4, 5, 6, 7}));
  EXPECT_TRUE(index->remove(fingerprint(9), HostCluster(3)));
  EXPECT_TRUE(index->insert(fingerprint(9), HostCluster(8)));
  EXPECT_EQ(found(*index, fingerprint(9)), (Clusters{0, 1, 2, 4, 5, 6, 7, 8}));
}

TEST(Index, StaysBoundedWhenEveryFingerprintCollides) {
  const auto index = make_tree_index();
  for (std::uint64_t i = 0; i < 100'000; ++i)
    index->insert(short_fingerprint(i % 300), HostCluster(i));
  EXPECT_EQ(index->entries(), 300u * Candidates::max_size);
  for (std::uint64_t prefix = 0; prefix < 300; ++prefix)
    ASSERT_EQ(index->find(short_fingerprint(prefix)).size(), Candidates::max_size);
}

TEST(Index, TakesNeighbouringFingerprintsInRisingAndFallingOrder) {
  for (const bool rising : {true, false}) {
    const auto index = make_tree_index();
    constexpr std::uint64_t count = 20'000;
    const auto nth = [&](std::uint64_t i) { return short_fingerprint(rising ? i : count - i); };
    for (std::uint64_t i = 0; i < count; ++i)
      ASSERT_TRUE(index->insert(nth(i), HostCluster(i)));
    EXPECT_LE(index->memory_bytes(), 16 * count);
    for (std::uint64_t i = 0; i < count; ++i)
      ASSERT_EQ(found(*index, nth(i)), Clusters{i});
    for (std::uint64_t i = 0; i < count; ++i)
      ASSERT_TRUE(index->remove(nth(i), HostCluster(i)));
    EXPECT_EQ(index->memory_bytes(), 0u);
  }
}

TEST(Index, KeepsEqualFingerprintsTogetherWhereAFullLeafSplits) {
  for (std::uint64_t twice = Leaf::max_entries / 2 - 4; twice < Leaf::max_entries / 2 + 4;
       ++twice) {
    const auto index = make_tree_index();
    for (std::uint64_t i = 0; i < Leaf::max_entries; ++i)
      ASSERT_TRUE(index->insert(short_fingerprint(i), HostCluster(i)));
    ASSERT_TRUE(index->insert(short_fingerprint(twice), HostCluster(5000)));
    ASSERT_EQ(found(*index, short_fingerprint(twice)), (Clusters{twice, 5000}));
    ASSERT_TRUE(index->remove(short_fingerprint(twice), HostCluster(twice)));
    ASSERT_TRUE(index->remove(short_fingerprint(twice), HostCluster(5000)));
  }
}

// Few distinct prefixes make collisions, many make splits and merges.
class IndexModel : public testing::TestWithParam<std::uint64_t> {};

TEST_P(IndexModel, AgreesWithAPlainMapUnderRandomOperations) {
  const std::uint64_t prefixes = GetParam();
  const auto seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const auto index = make_tree_index();
  std::unordered_map<std::uint64_t, Clusters> model;
  std::uint64_t entries = 0;
  for (int step = 0; step < 200'000; ++step) {
    // Spread over the whole range; the multiplier is odd, so no two prefixes become one.
    const std::uint64_t prefix = random() % prefixes * 0x9E3779B97F4B % (std::uint64_t{1} << 48);
    const std::uint64_t cluster = random() % 16;
    Clusters& clusters = model[prefix];
    const auto known = std::ranges::find(clusters, cluster);
    const bool growing = step / 40'000 % 2 == 0;
    if (random() % 4 < (growing ? 3u : 1u)) {
      const bool fits = known != clusters.end() || clusters.size() < Candidates::max_size;
      ASSERT_EQ(index->insert(short_fingerprint(prefix), HostCluster(cluster)), fits);
      if (fits && known == clusters.end()) clusters.push_back(cluster), ++entries;
    } else {
      ASSERT_EQ(index->remove(short_fingerprint(prefix), HostCluster(cluster)),
                known != clusters.end());
      if (known != clusters.end()) clusters.erase(known), --entries;
    }
    ASSERT_EQ(found(*index, short_fingerprint(prefix)), clusters);
    ASSERT_EQ(index->entries(), entries);
  }
  for (const auto& [prefix, clusters] : model)
    ASSERT_EQ(found(*index, short_fingerprint(prefix)), clusters);
  for (const auto& [prefix, clusters] : model)
    for (const std::uint64_t cluster : clusters)
      ASSERT_TRUE(index->remove(short_fingerprint(prefix), HostCluster(cluster)));
  EXPECT_EQ(index->entries(), 0u);
  EXPECT_EQ(index->memory_bytes(), 0u);
}

INSTANTIATE_TEST_SUITE_P(Prefixes, IndexModel, testing::Values(1, 50, 2'000, 1u << 20));

std::vector<Fingerprint> random_fingerprints(std::size_t count) {
  std::mt19937_64 random(1);
  std::vector<Fingerprint> result;
  result.reserve(count);
  for (std::size_t i = 0; i < count; ++i)
    result.push_back(fingerprint(random()));
  return result;
}

TEST(Index, NeedsAtMostSixteenBytesAnEntryAtUniformLoad) {
  const auto index = make_tree_index();
  const auto fingerprints = random_fingerprints(1'000'000);
  for (std::size_t i = 0; i < fingerprints.size(); ++i) {
    index->insert(fingerprints[i], HostCluster(i));
    // Leaves split about together, so the price of an entry goes up and down with the count.
    if (i >= 10'000 && i % 1000 == 0) {
      ASSERT_LE(index->memory_bytes(), 16 * index->entries()) << i;
    }
  }
}

TEST(Index, GivesMemoryBackWhenMostEntriesGo) {
  const auto index = make_tree_index();
  const auto fingerprints = random_fingerprints(200'000);
  for (std::size_t i = 0; i < fingerprints.size(); ++i)
    index->insert(fingerprints[i], HostCluster(i));
  for (std::size_t i = 0; i < fingerprints.size(); ++i)
    if (i % 20 != 0) {
      ASSERT_TRUE(index->remove(fingerprints[i], HostCluster(i)));
    }
  EXPECT_EQ(index->entries(), fingerprints.size() / 20);
  EXPECT_LE(index->memory_bytes(), 18 * index->entries());
}

TEST(Index, TakesNoMoreThanItMay) {
  constexpr std::uint64_t limit = 1 << 20, one_leaf = 12 * Leaf::max_entries + 512;
  const auto index = make_tree_index(limit);
  const auto fingerprints = random_fingerprints(300'000);
  for (std::size_t i = 0; i < fingerprints.size(); ++i) {
    ASSERT_TRUE(index->insert(fingerprints[i], HostCluster(i)));
    ASSERT_EQ(found(*index, fingerprints[i]), Clusters{i}) << "a new one is always known";
    ASSERT_LE(index->memory_bytes(), limit + one_leaf);
  }
  // Old ones give way at random: some of every age are left.
  std::size_t known = 0;
  std::vector<std::size_t> of_each_third(3);
  for (std::size_t i = 0; i < fingerprints.size(); ++i)
    if (!index->find(fingerprints[i]).empty())
      ++known, ++of_each_third[i * 3 / fingerprints.size()];
  EXPECT_EQ(known, index->entries());
  EXPECT_GT(known, limit / 20);
  EXPECT_GT(of_each_third[2], of_each_third[1]);
  EXPECT_GT(of_each_third[1], of_each_third[0]);
  EXPECT_GT(of_each_third[0], 0u);
  for (std::size_t i = 0; i < fingerprints.size(); ++i)
    index->remove(fingerprints[i], HostCluster(i));
  EXPECT_EQ(index->memory_bytes(), 0u);
}

TEST(Index, OfNoSizeKnowsWhatCameLast) {
  const auto index = make_tree_index(1);
  for (std::uint64_t i = 0; i < 100; ++i) {
    ASSERT_TRUE(index->insert(short_fingerprint(i * 7919 % 100), HostCluster(i)));
    ASSERT_EQ(found(*index, short_fingerprint(i * 7919 % 100)), Clusters{i});
    ASSERT_EQ(index->entries(), 1u);
  }
}

TEST(Index, TellsItsMemoryAsTheAllocatorDoes) {
#ifdef ALLOCATOR_IS_REPLACED
  GTEST_SKIP() << "the sanitizer's allocator keeps other books";
#else
  const auto fingerprints = random_fingerprints(300'000);
  for (const std::size_t count : {20'000u, 100'000u, 300'000u}) {
    const auto index = make_tree_index();
    const std::size_t before = mallinfo2().uordblks;
    for (std::size_t i = 0; i < count; ++i)
      index->insert(fingerprints[i], HostCluster(i));
    const auto measured = static_cast<double>(mallinfo2().uordblks - before);
    const auto told = static_cast<double>(index->memory_bytes());
    EXPECT_NEAR(told / measured, 1.0, 0.1) << count << " entries";
  }
#endif
}

TEST(Index, FindsManyAtOnceAsOneByOne) {
  const auto fingerprints = random_fingerprints(20'000);
  const auto index = make_tree_index();
  std::vector<Candidates> together(fingerprints.size());
  for (std::size_t known = 0; known <= fingerprints.size(); known += 5'000) {
    for (std::size_t i = 0; i < known; i += 2) // half of them
      index->insert(fingerprints[i], HostCluster(i));
    index->find(fingerprints, together);
    for (std::size_t i = 0; i < fingerprints.size(); ++i)
      ASSERT_TRUE(std::ranges::equal(together[i], index->find(fingerprints[i]))) << i;
  }
  EXPECT_EQ(*together[4].begin(), HostCluster(4));
  EXPECT_TRUE(together[5].empty());
}

TEST(Lookups, TellWhatTheIndexKnowsInWhateverOrderTheyAreAsked) {
  const auto fingerprints = random_fingerprints(200);
  const auto index = make_tree_index();
  for (std::size_t i = 0; i < fingerprints.size(); i += 3)
    index->insert(fingerprints[i], HostCluster(i));
  Lookups lookups(*index, fingerprints);
  for (const std::size_t i : {0u, 1u, 2u, 3u, 199u, 198u, 60u, 31u, 32u, 33u, 63u, 64u}) {
    EXPECT_EQ(lookups[i].fingerprint(), fingerprints[i]);
    EXPECT_TRUE(std::ranges::equal(lookups[i].candidates(), index->find(fingerprints[i]))) << i;
  }
}

TEST(Index, IsEmptyAndUsableAfterClear) {
  const auto index = make_tree_index();
  for (std::uint64_t i = 0; i < 5000; ++i)
    index->insert(short_fingerprint(i), HostCluster(i));
  index->clear();
  EXPECT_EQ(index->entries(), 0u);
  EXPECT_EQ(index->memory_bytes(), 0u);
  EXPECT_TRUE(index->find(short_fingerprint(1)).empty());
  EXPECT_TRUE(index->insert(short_fingerprint(1), HostCluster(8)));
  EXPECT_EQ(found(*index, short_fingerprint(1)), Clusters{8});
}

} // namespace
} // namespace dedup
