// Writers and readers race for the same clusters: what every read finds is what some order of the
// requests explains. First on disks that are broken on purpose, which the judge has to notice.
//
//   STRESS_SECONDS  how long all cases of the driver take together (default 3)
//   STRESS_SEED     what the threads do (default: another one each time)
#include "tests/crash/environment.h"
#include "tests/stress/race.h"
#include "tests/support/qcow2-disk.h"

#include <atomic>
#include <thread>

namespace stress {
namespace {

using block::DiskShape;
using block::Qcow2Disk;
using block::succeeded;
using crash::sector_bytes;

std::uint64_t seed_of_run() {
  const std::uint64_t seed = crash::environment("STRESS_SEED", std::random_device()());
  std::printf("STRESS_SEED=%llu\n", static_cast<unsigned long long>(seed));
  return seed;
}

void pause_for_others() {
  std::this_thread::sleep_for(std::chrono::microseconds(20));
}

// A disk in memory without any flaw, whose parts others replace.
class ArrayStorage : public Storage {
public:
  Result<void> write(std::size_t first, std::span<const Tag> tags) override {
    std::lock_guard hold(mutex_);
    std::copy(tags.begin(), tags.end(), sectors_.begin() + static_cast<std::ptrdiff_t>(first));
    return {};
  }
  Result<void> zero(std::size_t first, std::size_t sectors, Zeroing) override {
    return write(first, std::vector<Tag>(sectors));
  }
  Result<std::vector<Tag>> read(std::size_t first, std::size_t sectors) override {
    std::lock_guard hold(mutex_);
    const auto begin = sectors_.begin() + static_cast<std::ptrdiff_t>(first);
    return std::vector<Tag>(begin, begin + static_cast<std::ptrdiff_t>(sectors));
  }

private:
  std::mutex mutex_;
  std::vector<Tag> sectors_ = std::vector<Tag>(RaceShape().blocks * block_sectors);
};

// Writes sector by sector, and others come in between.
class MixingStorage final : public ArrayStorage {
  Result<void> write(std::size_t first, std::span<const Tag> tags) override {
    for (std::size_t i = 0; i < tags.size(); ++i) {
      BLOCK_TRY(ArrayStorage::write(first + i, tags.subspan(i, 1)));
      pause_for_others();
    }
    return {};
  }
};

// Completes partial writes to whole blocks from what it read before, so that another's write to the
// rest of the block is lost.
class LosingStorage final : public ArrayStorage {
  Result<void> write(std::size_t first, std::span<const Tag> tags) override {
    const std::size_t begin = first / block_sectors * block_sectors;
    const std::size_t end =
        (first + tags.size() + block_sectors - 1) / block_sectors * block_sectors;
    BLOCK_TRY_ASSIGN(std::vector<Tag> whole, read(begin, end - begin));
    pause_for_others();
    std::copy(tags.begin(), tags.end(), whole.begin() + static_cast<std::ptrdiff_t>(first - begin));
    return ArrayStorage::write(begin, whole);
  }
};

// Ends every write before it is seen.
class LateStorage final : public ArrayStorage {
public:
  Result<void> write(std::size_t first, std::span<const Tag> tags) override {
    std::lock_guard hold(mutex_);
    BLOCK_TRY(write_pending());
    first_ = first;
    pending_.assign(tags.begin(), tags.end());
    return {};
  }

private:
  Result<void> write_pending() {
    return pending_.empty() ? Result<void>() : ArrayStorage::write(first_, pending_);
  }
  std::mutex mutex_;
  std::size_t first_ = 0;
  std::vector<Tag> pending_;
};

std::string fault_within_rounds(Storage& storage, unsigned rounds) {
  Race race(storage, {}, 1);
  std::string fault;
  for (unsigned round = 0; round < rounds && fault.empty(); ++round)
    fault = race.run();
  return fault;
}

TEST(RaceOnBrokenDisks, FindsNothingWhereNothingIsWrong) {
  ArrayStorage storage;
  EXPECT_EQ(fault_within_rounds(storage, 5), "");
}
TEST(RaceOnBrokenDisks, FindsTwoWritesMixedInOneBlock) {
  MixingStorage storage;
  EXPECT_NE(fault_within_rounds(storage, 50), "");
}
TEST(RaceOnBrokenDisks, FindsALostUpdateOfTheRestOfABlock) {
  LosingStorage storage;
  EXPECT_NE(fault_within_rounds(storage, 50), "");
}
TEST(RaceOnBrokenDisks, FindsAWriteThatIsSeenTooLate) {
  LateStorage storage;
  EXPECT_NE(fault_within_rounds(storage, 50), "");
}

struct Case {
  const char* name;
  unsigned cluster_bits;
  bool dedup;
  bool verify;
};

constexpr Case cases[] = {{"Dedup4k", 12, true, false},
                          {"Dedup4kVerify", 12, true, true},
                          {"Dedup512", 9, true, false},
                          {"Dedup64k", 16, true, false},
                          {"Plain4k", 12, false, false}};

class Linearizability : public testing::TestWithParam<Case> {
protected:
  static DiskShape shape() {
    DiskShape shape;
    shape.cluster_bits = GetParam().cluster_bits;
    shape.dedup = GetParam().dedup;
    const block::ClusterSize size(shape.cluster_bits);
    shape.guest_clusters = size.clusters_for(RaceShape().blocks * block_sectors * sector_bytes);
    if (GetParam().verify) shape.open.set("dedup-verify", "on");
    return shape;
  }

  // Requests take a while, so that they meet on machines with few processors too.
  void slow_down() {
    disk.file->set_hook([this](block::MemoryOperation, std::uint64_t offset, std::uint64_t) {
      if ((offset / 512 + operations_.fetch_add(1, std::memory_order_relaxed)) % 3 == 0)
        pause_for_others();
    });
  }

  // Since the disk was opened.
  std::uint64_t clusters_shared() {
    if (!GetParam().dedup) return 0;
    const block::DedupInfo figures = disk.counters();
    return figures.deduplicated_clusters + figures.scan_deduplicated_clusters;
  }

  // What goes on beside the guest until `end`.
  void disturb(const std::atomic<bool>& end, std::uint64_t seed) {
    std::mt19937_64 random(seed);
    while (!end) {
      std::this_thread::sleep_for(std::chrono::microseconds(200 + random() % 2000));
      switch (random() % 4) {
      case 0:
        disk.flush();
        break;
      case 1:
        if (GetParam().dedup) {
          EXPECT_TRUE(succeeded(disk.node().pause_dedup()));
        }
        break;
      default:
        if (GetParam().dedup) {
          EXPECT_TRUE(succeeded(
              disk.node().resume_dedup({.scan_all = random() % 2 == 0, .scan_rate = {}})));
        }
      }
    }
    if (GetParam().dedup) {
      EXPECT_TRUE(succeeded(disk.node().resume_dedup()));
    }
  }

  Qcow2Disk disk{shape()};

private:
  std::atomic<std::uint64_t> operations_{0};
};

TEST_P(Linearizability, EveryReadFindsWhatSomeOrderOfTheRequestsExplains) {
  const std::uint64_t seed = seed_of_run();
  const auto share =
      std::chrono::milliseconds(crash::environment("STRESS_SECONDS", 3) * 1000 / std::size(cases));
  const auto deadline = std::chrono::steady_clock::now() + share;
  NodeStorage storage([this]() -> block::Node& { return disk.node(); });
  Race race(storage, {.discards = GetParam().cluster_bits <= 12}, seed);
  std::uint64_t rounds = 0, shared = 0;
  do {
    slow_down();
    std::atomic<bool> end{false};
    std::thread disturber([&] { disturb(end, seed + rounds); });
    const std::string fault = race.run();
    end = true;
    disturber.join();
    disk.file->set_hook({});
    ASSERT_EQ(fault, "") << "STRESS_SEED=" << seed << " round " << rounds;
    if (++rounds % 8 != 0) continue;
    shared += clusters_shared();
    disk.reopen();
  } while (std::chrono::steady_clock::now() < deadline);
  shared += clusters_shared(); // since the last time it was opened
  ASSERT_TRUE(succeeded(disk.close()));
  disk.expect_clean();
  std::printf(
      "%llu rounds, %llu sector reads (%llu during a write), %llu sector writes, %llu "
      "clusters shared\n",
      static_cast<unsigned long long>(rounds), static_cast<unsigned long long>(race.reads()),
      static_cast<unsigned long long>(race.meetings()),
      static_cast<unsigned long long>(race.writes()), static_cast<unsigned long long>(shared));
  EXPECT_GT(race.meetings(), 0u);
  // A cluster of 64 KiB holds sixteen blocks, and hardly ever the same ones as another.
  if (GetParam().dedup && GetParam().cluster_bits <= 12) {
    EXPECT_GT(shared, 0u);
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, Linearizability, testing::ValuesIn(cases),
                         [](const auto& test) { return std::string(test.param.name); });

} // namespace
} // namespace stress
