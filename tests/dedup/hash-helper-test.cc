// HashHelper: the fingerprints are those of the hasher, whoever makes them, and a task that ends
// early is let go of.
#include "block/dedup/hash-helper.h"

#include <gtest/gtest.h>

#include <chrono>
#include <ctime>
#include <memory>
#include <random>
#include <thread>
#include <vector>

namespace dedup {
namespace {

constexpr std::size_t cluster_bytes = 512;

// What a task needs, and what must come out.
struct Work {
  Work(const Hasher& hasher, std::size_t count, unsigned seed)
      : memory(count * cluster_bytes), out(count), expected(count) {
    std::mt19937 random(seed);
    for (std::byte& byte : memory)
      byte = static_cast<std::byte>(random());
    for (std::size_t i = 0; i < count; ++i)
      clusters.push_back(memory.data() + i * cluster_bytes);
    hasher.fingerprint(clusters, cluster_bytes, expected);
  }

  std::vector<std::byte> memory;
  std::vector<const std::byte*> clusters;
  std::vector<Fingerprint> out;
  std::vector<Fingerprint> expected;
};

class HashHelperTest : public testing::Test {
protected:
  // Seconds of processor time that other threads have had.
  static double others_time() {
    const auto seconds = [](clockid_t clock) {
      timespec time{};
      clock_gettime(clock, &time);
      return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
    };
    return seconds(CLOCK_PROCESS_CPUTIME_ID) - seconds(CLOCK_THREAD_CPUTIME_ID);
  }
  Work work(std::size_t count, unsigned seed = 1) { return Work(hasher, count, seed); }

  const Hasher hasher = *Hasher::create(HashAlgorithm::sha256);
  HashHelper helper{hasher};
};

TEST_F(HashHelperTest, MakesTheHashersFingerprints) {
  for (std::size_t count : {0, 1, 15, 16, 17, 33, 500}) {
    Work some = work(count);
    HashHelper::Task task(helper, some.clusters, cluster_bytes, some.out);
    task.finish();
    EXPECT_TRUE(some.out == some.expected) << count << " clusters";
  }
}

TEST_F(HashHelperTest, HashesWhileTheOwnerIsBusy) {
  Work much = work(20000);
  const double before = others_time();
  HashHelper::Task task(helper, much.clusters, cluster_bytes, much.out);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (others_time() < before + 0.0005) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "nobody helps";
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  task.finish();
  EXPECT_TRUE(much.out == much.expected);
}

TEST_F(HashHelperTest, LeavesASecondTaskToItsOwner) {
  Work first = work(2000, 1), second = work(100, 2);
  HashHelper::Task of_first(helper, first.clusters, cluster_bytes, first.out);
  HashHelper::Task of_second(helper, second.clusters, cluster_bytes, second.out);
  of_second.finish();
  EXPECT_TRUE(second.out == second.expected);
  of_first.finish();
  EXPECT_TRUE(first.out == first.expected);
}

// A sanitizer tells if the helper still reads or writes what is gone.
TEST_F(HashHelperTest, LetsGoOfATaskThatIsNotFinished) {
  for (int i = 0; i < 200; ++i) {
    auto dropped = std::make_unique<Work>(hasher, 300, 3);
    HashHelper::Task task(helper, dropped->clusters, cluster_bytes, dropped->out);
    if (i % 2) std::this_thread::yield();
  }
  Work next = work(300);
  HashHelper::Task task(helper, next.clusters, cluster_bytes, next.out);
  task.finish();
  EXPECT_TRUE(next.out == next.expected);
}

TEST_F(HashHelperTest, ServesSeveralThreadsInTurn) {
  std::vector<std::thread> owners;
  for (unsigned owner = 0; owner < 4; ++owner)
    owners.emplace_back([this, owner] {
      Work mine = work(200, owner);
      for (int i = 0; i < 100; ++i) {
        std::ranges::fill(mine.out, Fingerprint{});
        HashHelper::Task task(helper, mine.clusters, cluster_bytes, mine.out);
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
