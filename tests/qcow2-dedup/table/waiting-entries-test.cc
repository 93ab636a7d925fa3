// Entries that wait for their hash block: found, replaced and removed as a plain map would.
#include "block/qcow2-dedup/table/waiting-entries.h"

#include <gtest/gtest.h>

#include <random>

namespace qcow2_dedup {
namespace {

using block::HostCluster;

Entry entry(std::uint64_t number) {
  Entry made;
  made.fingerprint.bytes[0] = std::byte{1};
  std::memcpy(made.fingerprint.bytes.data() + 1, &number, sizeof(number));
  return made;
}

TEST(WaitingEntries, AgreeWithAPlainMapInWhateverOrderTheyCome) {
  const auto seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  WaitingEntries waiting;
  std::map<std::uint64_t, Entry> model;
  for (int step = 0; step < 20'000; ++step) {
    const std::uint64_t number = random() % (3 * entries_per_block);
    const HostCluster cluster(number);
    const auto known = model.find(number);
    const Entry* found = waiting.find(cluster);
    ASSERT_EQ(found != nullptr, known != model.end());
    if (found) {
      ASSERT_EQ(*found, known->second);
      const Entry other = step % 5 ? entry(step) : Entry{};
      ASSERT_EQ(waiting.replace(cluster, other), known->second);
      known->second = other;
    } else {
      ASSERT_EQ(waiting.replace(cluster, entry(step)), std::nullopt);
      waiting.add(cluster, entry(step));
      model[number] = entry(step);
    }
    if (random() % 2000 == 0 && !model.empty()) {
      const std::uint64_t block = waiting.by_block().begin()->first;
      waiting.remove_block(waiting.by_block().begin());
      std::erase_if(model,
                    [&](const auto& each) { return each.first / entries_per_block == block; });
    }
    ASSERT_EQ(waiting.size(), model.size());
  }
  auto expected = model.begin();
  for (const auto& [index, entries] : waiting.by_block()) {
    EXPECT_FALSE(entries.empty());
    for (const auto& [slot, each] : entries) { // ascending
      EXPECT_EQ(cluster_at(index, slot), HostCluster(expected->first));
      EXPECT_EQ(each, expected->second);
      ++expected;
    }
  }
  EXPECT_EQ(expected, model.end());
}

} // namespace
} // namespace qcow2_dedup
