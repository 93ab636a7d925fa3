// Power cuts: whatever part of the unflushed writes reached the disk, the image opens, checks
// clean, and holds what was flushed.
//
//   CRASH_STATES  how many images to judge in all, spread over the workloads (default 3000)
//   CRASH_SEED    what the workloads and the power cuts leave to chance (default 1)
//   CRASH_STATE   judge that one state of each workload that --gtest_filter leaves, with every
//                 recovery
//   CRASH_EVERY   1: judge every state with every recovery of ours, not with one in turn
#include "tests/crash/environment.h"
#include "tests/crash/judge.h"
#include "tests/crash/power-cut.h"
#include "tests/crash/stock.h"
#include "tests/support/nodes.h"

#include "block/endian.h"

#include <algorithm>
#include <array>

namespace crash {
namespace {

Workload dedup(std::string name, std::size_t cluster_bytes) {
  return {.name = std::move(name),
          .create = {{"dedup", "sha256"}},
          .open = {},
          .cluster_bytes = cluster_bytes,
          .rebuilds = true};
}

Workload plain(std::string name, std::size_t cluster_bytes, bool lazy) {
  return {.name = std::move(name),
          .create = {{"lazy_refcounts", lazy ? "on" : "off"}},
          .open = {},
          .cluster_bytes = cluster_bytes,
          .rebuilds = lazy};
}

// Sharing without deduplication.
Workload shared(std::string name, std::size_t cluster_bytes, bool lazy) {
  return {.name = std::move(name),
          .create = {{"dedup", "sha256"}, {"lazy_refcounts", lazy ? "on" : "off"}},
          .open = {},
          .cluster_bytes = cluster_bytes,
          .clusters = 240,
          .filled = 200,
          .longest = 6,
          .steps = 70,
          .switched_off = true,
          .rebuilds = lazy};
}

// Caches so small that write-backs happen between flushes.
Workload cramped(Workload workload) {
  workload.open = {{"l2-cache-size", "2k"}, {"refcount-cache-size", "2k"}};
  if (workload.create.contains("dedup")) workload.open.set("dedup-cache-size", "256k");
  workload.clusters = 640; // ten L2 tables of 64 entries
  workload.filled = 64;
  workload.longest = 24;
  workload.flush_one_in = 40;
  return workload;
}

// Without the page cache, where space is reserved for the file.
Workload direct(Workload workload) {
  workload.open.set("cache.direct", "on");
  workload.weight = 1;
  return workload;
}

// Nearly as many clusters as the first refcount table can count (64 blocks of 64 counts).
Workload growing(Workload workload, std::size_t filled) {
  workload.create.set("refcount_bits", "64");
  workload.clusters = 5200;
  workload.filled = filled;
  workload.longest = 64;
  workload.steps = 60;
  workload.flush_one_in = 20;
  workload.moves_refcount_table = true;
  workload.weight = 1;
  return workload;
}

std::vector<Workload> workloads() {
  return {
      dedup("dedup_512", 512),
      dedup("dedup_4096", 4096),
      cramped(dedup("dedup_cramped", 512)),
      growing(dedup("dedup_growing", 512), 3490),
      direct(dedup("dedup_direct", 4096)),
      plain("plain_512", 512, false),
      plain("plain_4096", 4096, false),
      cramped(plain("plain_cramped", 512, false)),
      growing(plain("plain_growing", 512, false), 3870),
      direct(plain("plain_direct", 512, false)),
      plain("lazy_512", 512, true),
      plain("lazy_4096", 4096, true),
      shared("shared_512", 512, false),
      shared("shared_4096", 4096, false),
      shared("shared_lazy_512", 512, true),
  };
}

// As the header in the file says.
std::uint64_t refcount_table_offset(const Bytes& image) {
  return block::load_big_endian<std::uint64_t>(image.data() + 48);
}

class PowerCuts : public testing::TestWithParam<Workload> {
protected:
  // Judges the states whose turn it is of one epoch.
  void judge_epoch(const Bytes& durable, std::size_t number, const Epoch& epoch);
  void judge_state(const Bytes& image, const Epoch& epoch, std::uint64_t state);
  bool has_turn(std::size_t recovery) const;
  void expect_all_recoveries() const;

  const std::uint64_t seed_ = environment("CRASH_SEED", 1);
  const std::uint64_t only_ = environment("CRASH_STATE", UINT64_MAX);
  const bool every_ = environment("CRASH_EVERY", 0) != 0;
  static constexpr std::size_t stock_has_one_in = 24; // states
  static constexpr std::size_t subsets_ = 6;
  static constexpr int most_failures_ = 3;
  std::uint64_t next_state_ = 0;
  std::uint64_t stride_ = 1;
  std::uint64_t states_judged_ = 0;
  std::array<std::uint64_t, recoveries.size()> judged_{};
  std::uint64_t shared_clusters_ = 0;
  int failures_ = 0;
};

// Programs of stock QEMU take much longer to start than a state takes to be judged.
bool PowerCuts::has_turn(std::size_t recovery) const {
  if (recoveries[recovery].is_stock() && !stock_is_installed()) return false;
  if (only_ != UINT64_MAX) return true;
  const std::uint64_t stock_turn = states_judged_ / stock_has_one_in % stock_recoveries;
  const bool stock_has_it = states_judged_ % stock_has_one_in == stock_has_one_in - 1;
  if (recoveries[recovery].is_stock())
    return stock_has_it && recovery == own_recoveries + stock_turn;
  return every_ || (!stock_has_it && recovery == states_judged_ % own_recoveries);
}

void PowerCuts::judge_state(const Bytes& image, const Epoch& epoch, std::uint64_t state) {
  const std::uint64_t seed = seed_ * 1000003 + state;
  Judge judge(GetParam());
  std::string wrong;
  for (std::size_t i = 0; i < recoveries.size() && wrong.empty(); ++i) {
    if (!has_turn(i)) continue;
    ++judged_[i];
    wrong = judge.judge(image, epoch.guest, recoveries[i], seed);
  }
  if (wrong.empty() && stock_is_installed() && states_judged_ % 32 == 0)
    wrong = judge.stock_check();
  ++states_judged_;
  shared_clusters_ += judge.shared_clusters();
  if (wrong.empty()) return;
  ++failures_;
  ADD_FAILURE() << wrong << "\nTo repeat: CRASH_SEED=" << seed_ << " CRASH_STATE=" << state
                << " test-crash --gtest_filter='*PowerCuts*" << GetParam().name << "'";
}

void PowerCuts::judge_epoch(const Bytes& durable, std::size_t number, const Epoch& epoch) {
  Bytes after = durable;
  apply_flush(after, epoch);
  const bool moves_table = refcount_table_offset(after) != refcount_table_offset(durable);
  for (PowerCut cut : power_cuts(epoch, subsets_)) {
    std::uint64_t state = next_state_++;
    // Some steps of the order happen once in a workload, so these are always judged: what each
    // flush left, and all around the moment in which the refcount table moves.
    bool wanted = only_ == UINT64_MAX
                      ? state % stride_ == 0 || moves_table || cut.kind == PowerCut::Kind::nothing
                      : state == only_;
    if (!wanted || failures_ >= most_failures_) continue;
    SCOPED_TRACE("epoch " + std::to_string(number) + " of " + std::to_string(epoch.changes.size()) +
                 " writes: " + cut.describe());
    judge_state(image_after(durable, epoch, cut, seed_ * 7919 + state), epoch, state);
  }
}

// What was never tried proves nothing.
void PowerCuts::expect_all_recoveries() const {
  for (std::size_t i = 0; i < recoveries.size(); ++i) {
    std::printf("%8llu after %s\n", static_cast<unsigned long long>(judged_[i]),
                recoveries[i].name().c_str());
    const bool expected =
        !recoveries[i].is_stock() ||
        (stock_is_installed() && states_judged_ >= stock_recoveries * stock_has_one_in);
    if (!expected || failures_ > 0 || only_ != UINT64_MAX) continue;
    EXPECT_GT(judged_[i], 0u) << recoveries[i].name();
  }
  std::printf("%8llu shared clusters whose owners were overwritten\n",
              static_cast<unsigned long long>(shared_clusters_));
  if (only_ == UINT64_MAX && failures_ == 0) {
    EXPECT_EQ(shared_clusters_ > 0, GetParam().create.contains("dedup"));
  }
}

TEST_P(PowerCuts, LeaveWhatWasFlushedAndNothingOfOtherBlocks) {
  Result<Recording> recorded = record(GetParam(), seed_);
  ASSERT_TRUE(block::succeeded(recorded));
  Recording& recording = *recorded;
  std::uint64_t states = 0;
  for (const Epoch& epoch : recording.epochs)
    states += power_cuts(epoch, subsets_).size();
  std::uint64_t all_weights = 0;
  for (const Workload& workload : workloads())
    all_weights += workload.weight;
  std::uint64_t wanted = std::max<std::uint64_t>(1, environment("CRASH_STATES", 3000) *
                                                        GetParam().weight / all_weights);
  wanted -= std::min<std::uint64_t>(wanted - 1, recording.epochs.size());
  if (only_ == UINT64_MAX) stride_ = std::max<std::uint64_t>(1, states / wanted);
  Bytes durable = std::move(recording.start);
  const std::uint64_t first_table = refcount_table_offset(durable);
  for (std::size_t i = 0; i < recording.epochs.size(); ++i) {
    judge_epoch(durable, i, recording.epochs[i]);
    apply_flush(durable, recording.epochs[i]);
  }
  EXPECT_EQ(refcount_table_offset(durable) != first_table, GetParam().moves_refcount_table);
  std::printf("%zu epochs, %llu states, %llu judged\n", recording.epochs.size(),
              static_cast<unsigned long long>(states),
              static_cast<unsigned long long>(states_judged_));
  expect_all_recoveries();
}

INSTANTIATE_TEST_SUITE_P(Workloads, PowerCuts, testing::ValuesIn(workloads()),
                         [](const auto& test) { return test.param.name; });

} // namespace
} // namespace crash
