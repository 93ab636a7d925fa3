// HashHelper: the fingerprints are those of the hasher, whoever makes them, and a task that ends
// early is let go of.
#include "block/dedup/hash-helper.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <random>
#include <thread>
#include <vector>

namespace dedup {
namespace {

// What a task needs, and what must come out.
struct Work {
  Work(const Hasher& hasher, std::size_t count, unsigned seed, std::size_t cluster_size)
      : cluster_bytes(cluster_size), memory(count * cluster_bytes), out(count), expected(count) {
    std::mt19937 random(seed);
    for (std::byte& byte : memory)
      byte = static_cast<std::byte>(random());
    for (std::size_t i = 0; i < count; ++i)
      clusters.push_back(memory.data() + i * cluster_bytes);
    hasher.fingerprint(clusters, cluster_bytes, expected);
  }

  const std::size_t cluster_bytes;
  std::vector<std::byte> memory;
  std::vector<const std::byte*> clusters;
  std::vector<Fingerprint> out;
  std::vector<Fingerprint> expected;
};

class HashHelperTest : public testing::Test {
protected:
  Work work(std::size_t count, unsigned seed = 1, std::size_t cluster_bytes = 512) {
    return Work(hasher, count, seed, cluster_bytes);
  }

  const Hasher hasher = *Hasher::create(HashAlgorithm::sha256);
  HashHelper helper{hasher};
};

TEST_F(HashHelperTest, MakesTheHashersFingerprints) {
  for (std::size_t count : {0, 1, 15, 16, 17, 33, 500}) {
    Work some = work(count);
    HashHelper::Task task(helper, some.clusters, some.cluster_bytes, some.out);
    task.finish();
    EXPECT_TRUE(some.out == some.expected) << count << " clusters";
  }
}

// Task after task is dropped, so the helper has to let go of each before it can do the next.
TEST_F(HashHelperTest, HashesWhileTheOwnerIsBusy) {
  Work some = work(100);
  for (int helped = 0; helped < 3; ++helped) {
    some.out.front() = Fingerprint{};
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (some.out.front() != some.expected.front()) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "nobody helps";
      HashHelper::Task task(helper, some.clusters, some.cluster_bytes, some.out);
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  }
}

TEST_F(HashHelperTest, LeavesASecondTaskToItsOwner) {
  // One batch of the first takes much longer than all that is done here meanwhile.
  Work first = work(32, 1, 65536), second = work(100, 2);
  for (int i = 0; i < 20; ++i) {
    std::optional<HashHelper::Task> of_first(std::in_place, helper, first.clusters,
                                             first.cluster_bytes, first.out);
    std::this_thread::sleep_for(std::chrono::microseconds(100));
    HashHelper::Task of_second(helper, second.clusters, second.cluster_bytes, second.out);
    of_first.reset();
    // Whoever still works at the first would change this.
    const std::vector<Fingerprint> at_the_end(first.out.size());
    first.out = at_the_end;
    of_second.finish();
    EXPECT_TRUE(second.out == second.expected);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    EXPECT_TRUE(first.out == at_the_end);
  }
}

// What is dropped is overwritten at once; a sanitizer tells if the helper still reads or writes it.
TEST_F(HashHelperTest, LetsGoOfATaskThatIsNotFinished) {
  const std::vector<Fingerprint> none(300);
  Work dropped = work(300);
  for (int i = 0; i < 100; ++i) {
    {
      HashHelper::Task task(helper, dropped.clusters, dropped.cluster_bytes, dropped.out);
      std::this_thread::sleep_for(std::chrono::microseconds(i % 4 * 30));
    }
    dropped.out = none;
    std::this_thread::sleep_for(std::chrono::microseconds(200));
    ASSERT_TRUE(dropped.out == none);
  }
}

TEST_F(HashHelperTest, ServesSeveralThreadsInTurn) {
  std::vector<std::thread> owners;
  for (unsigned owner = 0; owner < 4; ++owner)
    owners.emplace_back([this, owner] {
      Work mine = work(200, owner);
      for (int i = 0; i < 100; ++i) {
        std::ranges::fill(mine.out, Fingerprint{});
        HashHelper::Task task(helper, mine.clusters, mine.cluster_bytes, mine.out);
        if (i % 5 == 0) continue;
        task.finish();
        ASSERT_TRUE(mine.out == mine.expected);
      }
    });
  for (std::thread& owner : owners)
    owner.join();
}

} // namespace
} // namespace dedup
