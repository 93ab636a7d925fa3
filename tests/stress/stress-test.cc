// Sixteen threads on one deduplicated disk: overlapping requests of every kind, while deduplication
// is paused and resumed, the scan is held and cancelled, the disk grows, and somebody asks for
// figures. Every sector that is read holds what was written to that sector once, or zeros.
//
//   STRESS_SECONDS  how long all cases take together (default 3)
//   STRESS_SEED     what the threads do (default: another one each time)
#include "tests/crash/environment.h"
#include "tests/crash/tags.h"
#include "tests/support/qcow2-disk.h"

#include <atomic>
#include <random>
#include <thread>

namespace stress {
namespace {

using block::DiskShape;
using block::ErrorKind;
using block::IoVector;
using block::Node;
using block::Qcow2Disk;
using block::Result;
using block::succeeded;
using crash::sector_bytes;
using crash::Tag;

struct Case {
  const char* name;
  unsigned cluster_bits;
  bool verify;
  unsigned refcount_bits;
};

constexpr Case cases[] = {{"Dedup512", 9, false, 16},
                          {"Dedup4k", 12, false, 16},
                          {"Dedup4kVerifyFewOwners", 12, true, 2}};

class Stress : public testing::TestWithParam<Case> {
protected:
  static constexpr std::size_t guests = 10;
  static constexpr std::uint64_t start_clusters = 256;
  // Overlaps, also with what is new, while the test's memory stays small.
  static constexpr std::uint64_t most_clusters = 1024;
  static constexpr std::size_t longest_request = 64 * 1024;
  static constexpr unsigned common_contents = 24;

  static DiskShape shape() {
    DiskShape shape;
    shape.cluster_bits = GetParam().cluster_bits;
    shape.guest_clusters = start_clusters;
    shape.refcount_bits = GetParam().refcount_bits;
    // Tables come and go.
    shape.open = {{"l2-cache-size", "8k"}, {"refcount-cache-size", "8k"}};
    if (GetParam().verify) shape.open.set("dedup-verify", "on");
    return shape;
  }

  Node& node() { return disk.node(); }
  std::size_t sectors_of_cluster() const { return disk.cluster_bytes() / sector_bytes; }

  // Calls step(random) until the end, and stops everybody after a failure.
  template <typename Step>
  void start(Step step) {
    threads.emplace_back([this, step, seed = next_seed++] {
      std::mt19937_64 random(seed);
      while (!end && !HasFailure())
        step(random);
    });
  }
  static void rest(std::mt19937_64& random, unsigned microseconds) {
    std::this_thread::sleep_for(std::chrono::microseconds(random() % microseconds));
  }

  void guest_step(std::mt19937_64& random);
  void write(std::mt19937_64& random, std::size_t first, std::size_t sectors);
  void read(std::size_t first, std::size_t sectors);
  void control_scan(std::mt19937_64& random);
  void grow(std::mt19937_64& random);
  void ask(std::mt19937_64& random);

  Qcow2Disk disk{shape()};
  std::uint64_t next_seed = 0;
  std::atomic<bool> end{false};
  std::atomic<std::uint64_t> requests{0};
  std::vector<std::thread> threads;
};

void Stress::guest_step(std::mt19937_64& random) {
  const std::uint64_t length = *node().co_get_length();
  std::size_t first = random() % (length / sector_bytes);
  std::size_t sectors = 1 + random() % (longest_request / sector_bytes);
  if (random() % 4 != 0) first -= first % sectors_of_cluster();
  sectors = std::min<std::size_t>(sectors, length / sector_bytes - first);
  const std::uint64_t offset = first * sector_bytes, bytes = sectors * sector_bytes;
  requests.fetch_add(1, std::memory_order_relaxed);
  switch (random() % 10) {
  case 0:
    EXPECT_TRUE(
        succeeded(node().co_pwrite_zeroes(offset, bytes, {.may_unmap = random() % 2 == 0})));
    break;
  case 1:
    EXPECT_TRUE(succeeded(node().co_pdiscard(offset, bytes)));
    break;
  case 2:
  case 3:
  case 4:
    read(first, sectors);
    break;
  case 5:
    if (random() % 4 == 0) disk.flush();
    break;
  default:
    write(random, first, sectors);
  }
}

void Stress::write(std::mt19937_64& random, std::size_t first, std::size_t sectors) {
  std::vector<Tag> tags;
  while (tags.size() < sectors) {
    const std::uint64_t chance = random() % 10, number = 1 + random() % common_contents;
    const std::size_t cluster = (first + tags.size()) / sectors_of_cluster();
    for (std::size_t at = first + tags.size();
         at < (cluster + 1) * sectors_of_cluster() && tags.size() < sectors; ++at)
      tags.push_back(chance == 0  ? Tag{0}
                     : chance < 3 ? crash::unique_tag(at, random() % 4096)
                                  : crash::common_tag(number, at % sectors_of_cluster()));
  }
  const std::vector<std::byte> data = crash::content_of(tags);
  EXPECT_TRUE(succeeded(node().co_writev(first * sector_bytes, IoVector(data.data(), data.size()),
                                         {.fua = random() % 64 == 0})));
}

void Stress::read(std::size_t first, std::size_t sectors) {
  std::vector<std::byte> data(sectors * sector_bytes);
  ASSERT_TRUE(succeeded(node().co_readv(first * sector_bytes, IoVector(data.data(), data.size()))));
  const std::vector<Tag> tags = crash::tags_in(data);
  for (std::size_t i = 0; i < tags.size(); ++i) {
    const std::uint64_t version = (tags[i] & ~(Tag{1} << 62)) >> 24;
    const Tag allowed = tags[i] >> 62
                            ? crash::common_tag(version, (first + i) % sectors_of_cluster())
                            : crash::unique_tag(first + i, version);
    ASSERT_TRUE(tags[i] == 0 || tags[i] == allowed)
        << "sector " << first + i << " holds " << crash::describe(tags[i]);
  }
}

void Stress::control_scan(std::mt19937_64& random) {
  rest(random, 3000);
  const std::shared_ptr<block::Job> scan = disk.scan();
  if (!scan) return;
  Result<void> done;
  switch (random() % 3) {
  case 0:
    done = scan->pause();
    break;
  case 1:
    done = scan->resume();
    break;
  default:
    scan->cancel();
  }
  if (done) return;
  EXPECT_EQ(done.error().kind(), ErrorKind::invalid_argument) << done.error().message();
}

void Stress::grow(std::mt19937_64& random) {
  rest(random, 40000);
  const std::uint64_t length = *node().co_get_length();
  if (length >= most_clusters * disk.cluster_bytes()) return;
  EXPECT_TRUE(succeeded(node().co_truncate(length + (1 + random() % 64) * sector_bytes)));
}

void Stress::ask(std::mt19937_64& random) {
  rest(random, 500);
  switch (random() % 3) {
  case 0:
    EXPECT_TRUE(succeeded(node().get_info()));
    break;
  case 1: {
    Result<block::DedupInfo> info = node().query_dedup();
    ASSERT_TRUE(succeeded(info));
    EXPECT_EQ(info->scan.error, "");
    EXPECT_LE(info->scan.done_bytes, info->scan.total_bytes);
    break;
  }
  default: {
    const std::uint64_t length = *node().co_get_length();
    EXPECT_TRUE(succeeded(node().co_block_status(random() % length, 1)));
  }
  }
}

TEST_P(Stress, SixteenThreadsDoNotDisturbEachOther) {
  next_seed = crash::environment("STRESS_SEED", std::random_device()());
  std::printf("STRESS_SEED=%llu\n", static_cast<unsigned long long>(next_seed));
  const std::chrono::milliseconds share(crash::environment("STRESS_SECONDS", 3) * 1000 /
                                        std::size(cases));
  for (std::size_t i = 0; i < guests; ++i)
    start([this](std::mt19937_64& random) { guest_step(random); });
  start([this](std::mt19937_64& random) {
    rest(random, 4000);
    EXPECT_TRUE(succeeded(node().pause_dedup()));
    // Who has paused knows that no scan works any more.
    EXPECT_EQ(disk.counters().scan.state, block::DedupScanState::idle);
    rest(random, 2000);
    EXPECT_TRUE(succeeded(node().resume_dedup({.scan_all = random() % 4 == 0, .scan_rate = {}})));
  });
  start([this](std::mt19937_64& random) { control_scan(random); });
  start([this](std::mt19937_64& random) { grow(random); });
  start([this](std::mt19937_64& random) { ask(random); });
  start([this](std::mt19937_64& random) { ask(random); });
  start([this](std::mt19937_64& random) {
    rest(random, 2000);
    disk.flush();
  });
  std::this_thread::sleep_for(share);
  end = true;
  for (std::thread& thread : threads)
    thread.join();
  const block::DedupInfo figures = disk.counters();
  std::printf(
      "%llu requests, %llu clusters deduplicated, %llu by the scan, %llu bytes at the end\n",
      static_cast<unsigned long long>(requests.load()),
      static_cast<unsigned long long>(figures.deduplicated_clusters),
      static_cast<unsigned long long>(figures.scan_deduplicated_clusters),
      static_cast<unsigned long long>(*node().co_get_length()));
  EXPECT_GT(figures.deduplicated_clusters, 0u);
  // One that is held stays so.
  if (const std::shared_ptr<block::Job> scan = disk.scan()) scan->cancel();
  ASSERT_TRUE(succeeded(node().resume_dedup({.scan_all = true, .scan_rate = {}})));
  disk.wait_for_scan();
  const std::size_t sectors = *node().co_get_length() / sector_bytes;
  read(0, sectors);
  ASSERT_TRUE(succeeded(disk.close()));
  disk.expect_clean();
  disk.open();
  read(0, sectors);
}

INSTANTIATE_TEST_SUITE_P(Shapes, Stress, testing::ValuesIn(cases),
                         [](const auto& test) { return std::string(test.param.name); });

} // namespace
} // namespace stress
