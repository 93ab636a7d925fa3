// Power cuts under a guest whose requests overlap each other, flushes, and the background scan:
// what was flushed is there, whatever else reached the disk.
//
//   CRASH_STATES  a tenth of it is judged here (default 3000)
//   CRASH_SEED    what the guest does and where power fails (default 1); how its threads meet is
//                 never the same, so an image that is judged wrong is kept in a file
#include "tests/crash/environment.h"
#include "tests/crash/judge.h"
#include "tests/crash/power-cut.h"
#include "tests/support/nodes.h"

#include <atomic>
#include <fstream>
#include <gtest/gtest.h>
#include <mutex>
#include <thread>

namespace crash {
namespace {

using block::succeeded;

constexpr const char* file_name = "crash-threads";
constexpr std::size_t guests = 4;

// The model, for guests that write to sectors of their own.
class SharedModel {
public:
  explicit SharedModel(std::size_t sectors) : model_(sectors), ended_(sectors) {}

  GuestModel now() const {
    std::lock_guard hold(mutex_);
    return model_;
  }
  Tag current(std::size_t sector) const {
    std::lock_guard hold(mutex_);
    return model_.current(sector);
  }
  void will_write(std::size_t first, std::span<const Tag> tags) {
    std::lock_guard hold(mutex_);
    model_.will_write(first, tags);
  }
  void has_written(std::size_t first, std::size_t count) {
    std::lock_guard hold(mutex_);
    for (std::size_t sector = first; sector < first + count; ++sector)
      ended_[sector] = model_.writes_of(sector);
  }
  // How many writes of each sector have ended: what a flush that begins now stands for.
  std::vector<std::uint64_t> ended() const {
    std::lock_guard hold(mutex_);
    return ended_;
  }
  void flushed(const std::vector<std::uint64_t>& writes) {
    std::lock_guard hold(mutex_);
    model_.flushed(writes);
  }

private:
  mutable std::mutex mutex_;
  GuestModel model_;
  std::vector<std::uint64_t> ended_;
};

// One of the guests: requests on its part of the disk.
class Guest {
public:
  Guest(const Workload& workload, GuestDisk& disk, SharedModel& model, std::size_t number,
        std::uint64_t seed)
      : workload_(workload),
        disk_(disk),
        model_(model),
        per_cluster_(workload.cluster_bytes / sector_bytes),
        sectors_(workload.clusters / guests * per_cluster_),
        first_(number * sectors_),
        random_(seed * guests + number) {}

  Result<void> run() {
    for (std::size_t i = 0; i < workload_.steps; ++i)
      BLOCK_TRY(step());
    return {};
  }

private:
  std::uint64_t below(std::uint64_t end) { return random_() % end; }

  Result<void> step() {
    if (below(workload_.flush_one_in) == 0) {
      std::vector<std::uint64_t> ended = model_.ended();
      BLOCK_TRY(disk_.flush());
      model_.flushed(ended);
      return {};
    }
    const std::uint64_t chance = below(100);
    const bool zeroes = chance < 6, discards = chance >= 6 && chance < 12;
    // A discard leaves the clusters that it covers in part.
    const bool aligned = discards || below(4) != 0;
    std::size_t first = below(sectors_);
    if (aligned) first -= first % per_cluster_;
    std::size_t count = 1 + below(std::min(sectors_ - first, workload_.longest * per_cluster_));
    if (aligned) count = (count + per_cluster_ - 1) / per_cluster_ * per_cluster_;
    first += first_;
    std::vector<Tag> tags(count);
    if (!zeroes && !discards) choose_content(first, tags);
    model_.will_write(first, tags);
    if (zeroes)
      BLOCK_TRY(disk_.write_zeroes(first, count, below(2) == 0));
    else if (discards)
      BLOCK_TRY(disk_.discard(first, count));
    else
      BLOCK_TRY(disk_.write(first, tags));
    model_.has_written(first, count);
    return {};
  }

  void choose_content(std::size_t first, std::vector<Tag>& tags) {
    ++version_;
    const std::size_t clusters = workload_.clusters;
    for (std::size_t i = 0; i < tags.size();) {
      const std::uint64_t chance = below(100), number = below(12), other = below(clusters);
      const std::size_t begin = (first + i) % per_cluster_;
      for (std::size_t at = begin; at < per_cluster_ && i < tags.size(); ++at, ++i)
        tags[i] = chance < 40   ? unique_tag(first + i, version_)
                  : chance < 45 ? Tag{0}
                  : chance < 70 ? common_tag(number, at)
                                : model_.current(other * per_cluster_ + at);
    }
  }

  const Workload& workload_;
  GuestDisk& disk_;
  SharedModel& model_;
  const std::size_t per_cluster_, sectors_, first_;
  std::mt19937_64 random_;
  std::uint64_t version_ = 0;
};

// Pauses and resumes until told to end.
void pause_and_resume(block::Node& node, const std::atomic<bool>& end) {
  while (!end) {
    std::this_thread::sleep_for(std::chrono::milliseconds(3));
    EXPECT_TRUE(succeeded(node.pause_dedup()));
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    EXPECT_TRUE(succeeded(node.resume_dedup()));
  }
}

Recording record_threads(const Workload& workload, std::uint64_t seed) {
  auto file = block::MemoryFile::create(file_name);
  const std::size_t sectors = workload.clusters * workload.cluster_bytes / sector_bytes;
  Options create = workload.create;
  create.set("size", std::to_string(sectors * sector_bytes));
  create.set("cluster_size", std::to_string(workload.cluster_bytes));
  EXPECT_TRUE(succeeded(
      block::create_image("qcow2", std::string("memory:") + file_name, std::move(create))));
  SharedModel model(sectors);
  Recorder recorder(*file, [&] { return model.now(); });
  GuestDisk disk;
  EXPECT_TRUE(succeeded(disk.open(Recorder::recorded(node_options(workload, file_name)))));
  // A flush takes a while, so that others write meanwhile.
  file->set_hook([](block::MemoryOperation operation, std::uint64_t, std::uint64_t) {
    if (operation == block::MemoryOperation::flush)
      std::this_thread::sleep_for(std::chrono::microseconds(200));
  });
  std::atomic<bool> end = false;
  std::thread operator_thread;
  if (disk.node().query_dedup())
    operator_thread = std::thread([&] { pause_and_resume(disk.node(), end); });
  std::vector<std::thread> threads;
  for (std::size_t number = 0; number < guests; ++number)
    threads.emplace_back(
        [&, number] { EXPECT_TRUE(succeeded(Guest(workload, disk, model, number, seed).run())); });
  for (std::thread& thread : threads)
    thread.join();
  end = true;
  if (operator_thread.joinable()) operator_thread.join();
  Result<Recording> recording = recorder.finish();
  file->set_hook({});
  EXPECT_TRUE(succeeded(recording));
  EXPECT_TRUE(succeeded(disk.close()));
  return recording ? std::move(*recording) : Recording{};
}

std::string keep(const Bytes& image, std::uint64_t number) {
  std::string path = testing::TempDir() + "power-cut-" + std::to_string(getpid()) + "-" +
                     std::to_string(number) + ".qcow2";
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(image.data()), std::streamsize(image.size()));
  return path;
}

class PowerCutsUnderThreads : public testing::TestWithParam<Workload> {};

TEST_P(PowerCutsUnderThreads, LeaveWhatWasFlushedAndNothingOfOtherBlocks) {
  const std::uint64_t seed = environment("CRASH_SEED", 1);
  const std::uint64_t wanted = std::max<std::uint64_t>(1, environment("CRASH_STATES", 3000) / 40);
  std::mt19937_64 random(seed);
  std::uint64_t judged = 0, overlaps = 0;
  // On a busy machine it may take a while until threads meet.
  for (std::uint64_t round = 0; (judged < wanted || (overlaps == 0 && round < 50)) && !HasFailure();
       ++round) {
    Recording recording = record_threads(GetParam(), seed + 1000 * round);
    std::uint64_t states = 0;
    for (const Epoch& epoch : recording.epochs)
      states += power_cuts(epoch, 6).size();
    // Several recordings rather than all states of one.
    const std::uint64_t one_in = std::max<std::uint64_t>(1, states / 50);
    Bytes durable = std::move(recording.start);
    for (const Epoch& epoch : recording.epochs) {
      for (PowerCut cut : power_cuts(epoch, 6)) {
        if (random() % one_in != 0) continue;
        const std::uint64_t chance = random();
        const Bytes image = image_after(durable, epoch, cut, chance);
        Judge judge(GetParam());
        const Recovery& recovery = recoveries[judged++ % own_recoveries];
        std::string wrong = judge.judge(image, epoch.guest, recovery, chance);
        ASSERT_EQ(wrong, "") << cut.describe() << "; the image is " << keep(image, judged);
      }
      overlaps += epoch.changes.size() - epoch.flushed;
      apply_flush(durable, epoch);
    }
  }
  // Otherwise the threads never met a flush, and the other test says the same.
  EXPECT_GT(overlaps, 0u);
  std::printf("%llu judged\n", static_cast<unsigned long long>(judged));
}

Workload workload(std::string name, Options create, std::size_t cluster_bytes) {
  return {.name = std::move(name),
          .create = std::move(create),
          .open = {{"l2-cache-size", "2k"}, {"refcount-cache-size", "2k"}},
          .cluster_bytes = cluster_bytes,
          .clusters = 320,
          .longest = 16,
          .steps = 60,
          .flush_one_in = 15,
          .rebuilds = true};
}

INSTANTIATE_TEST_SUITE_P(
    Workloads, PowerCutsUnderThreads,
    testing::Values(workload("dedup_512", {{"dedup", "sha256"}}, 512),
                    workload("dedup_4096", {{"dedup", "sha256"}}, 4096),
                    workload("dedup_1024", {{"dedup", "sha256"}, {"refcount_bits", "8"}}, 1024),
                    workload("lazy_512", {{"lazy_refcounts", "on"}}, 512)),
    [](const auto& test) { return test.param.name; });

} // namespace
} // namespace crash
