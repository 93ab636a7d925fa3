// Random requests against a plain array of bytes: what was written is read, whatever happened in
// between; and every so often both checks examine the file. Between two sessions the image may be
// repaired, or a repair may be interrupted. In the end every owner of every shared cluster is
// overwritten, with a comparison after each round.
//
// MODEL_SECONDS (all cases together, default 10) and MODEL_SEED make longer runs and repeat one.
#include "block/qcow2-dedup/table/extension.h"
#include "tests/support/image-walk.h"
#include "tests/support/qcow2-disk.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <random>
#include <thread>
#include <utility>

namespace qcow2_dedup {
namespace {

using block::DiskShape;
using block::Options;
using block::Qcow2Disk;
using block::Result;
using Random = std::mt19937;

struct Case {
  const char* name;
  unsigned cluster_bits;
  bool dedup;
  bool verify;
  unsigned refcount_bits;
  unsigned threads;
  // Deduplication shares, and is off when anything else happens.
  bool switched_off = false;
};

constexpr Case cases[] = {
    {"Plain512", 9, false, false, 16, 1},        {"Dedup512", 9, true, false, 16, 1},
    {"Dedup512Wide", 9, true, false, 64, 1},     {"Dedup4k", 12, true, false, 16, 1},
    {"Dedup4kVerify", 12, true, true, 16, 1},    {"Dedup4kOneBit", 12, true, false, 1, 1},
    {"Dedup4kFourBits", 12, true, false, 4, 1},  {"Dedup64k", 16, true, true, 16, 1},
    {"Plain4kThreads", 12, false, false, 16, 4}, {"Dedup512Threads", 9, true, false, 2, 4},
    {"Dedup4kThreads", 12, true, false, 16, 4},  {"Dedup4kVerifyThreads", 12, true, true, 16, 4},
    {"Shared512", 9, false, false, 16, 1, true}, {"Shared4kThreads", 12, false, false, 16, 4, true},
};

unsigned number_from(const char* variable, unsigned otherwise) {
  const char* text = std::getenv(variable);
  return text ? static_cast<unsigned>(std::strtoul(text, nullptr, 10)) : otherwise;
}

class Model : public testing::TestWithParam<Case> {
protected:
  // Small, so that requests meet.
  static constexpr std::uint64_t start_clusters = 192;

  // A thread owns every threads-th stripe of four clusters: neighbours belong to others.
  static constexpr std::uint64_t stripe_clusters = 4;

  DiskShape shape() const {
    DiskShape made;
    made.cluster_bits = GetParam().cluster_bits;
    made.dedup = GetParam().dedup || GetParam().switched_off;
    made.refcount_bits = GetParam().refcount_bits;
    made.guest_clusters = start_clusters;
    if (GetParam().verify) made.open.set("dedup-verify", "on");
    return made;
  }

  std::uint64_t bytes() const { return disk.cluster_bytes(); }

  void step(Random& random, unsigned thread);
  void write(Random& random, std::uint64_t begin, std::uint64_t end);
  void only_discard(Random& random);
  void end_somehow(Random& random);
  void repair_somehow(Random& random);
  void write_duplicates(Random& random);
  void overwrite_all_owners(Random& random);
  void switch_dedup(const std::string& dedup) {
    Options options{{"dedup", dedup}};
    EXPECT_TRUE(succeeded(disk.node().amend(options)));
  }
  void share_and_switch_off(Random& random);
  void grow(Random& random);
  void expect_all() { ASSERT_TRUE(disk.holds(0, model)); }
  void set_running(bool running) {
    EXPECT_TRUE(succeeded(running ? disk.node().resume_dedup() : disk.node().pause_dedup()));
  }

  Qcow2Disk disk{shape()};
  bool may_leak = false;
  std::uint64_t shared_clusters = 0; // whose owners were overwritten
  unsigned next_content = 1u << 20;  // no other write comes so far
  std::string model = block::zeros(disk.guest_bytes());
};

// Content from a small pool, so that most of it is a duplicate of something; sometimes zeros, and
// sometimes new.
void Model::write(Random& random, std::uint64_t begin, std::uint64_t end) {
  std::string data;
  bool aligned = random() % 2 == 0;
  if (aligned) {
    begin = begin / bytes() * bytes();
    end = (end + bytes() - 1) / bytes() * bytes();
    while (data.size() < end - begin) {
      unsigned choice = random() % 16;
      data += choice == 0   ? disk.zeros()
              : choice == 1 ? disk.pattern(1000 + random())
                            : disk.pattern(random() % 24);
    }
  } else if (random() % 4 == 0) {
    data = block::zeros(end - begin);
  } else {
    // A piece of what the pool holds at that place of a cluster: may complete a duplicate.
    std::string cluster = disk.pattern(random() % 3);
    for (std::uint64_t at = begin; at < end; ++at)
      data += cluster[at % bytes()];
  }
  EXPECT_TRUE(succeeded(block::write(disk.node(), begin, data)));
  // Not replace(), which writes the size, too: other threads read it.
  std::ranges::copy(data, model.data() + begin);
}

// What other clusters hold, to half of the disk.
void Model::write_duplicates(Random& random) {
  const std::uint64_t clusters = model.size() / bytes();
  for (std::uint64_t cluster = 0; cluster < clusters; ++cluster) {
    if (random() % 2 == 0) continue;
    const std::string data = model.substr(random() % clusters * bytes(), bytes());
    disk.write(cluster, data);
    model.replace(cluster * bytes(), bytes(), data);
  }
}

void Model::overwrite_all_owners(Random& random) {
  disk.flush();
  auto shared = block::owners_of_shared_clusters(disk.file->content());
  shared_clusters += shared.size();
  for (auto& owners : shared)
    std::shuffle(owners.begin(), owners.end(), random);
  while (!shared.empty()) {
    for (auto& owners : shared) {
      const std::string data = disk.pattern(++next_content);
      disk.write(owners.back(), data);
      model.replace(owners.back() * bytes(), bytes(), data);
      owners.pop_back();
    }
    std::erase_if(shared, [](const auto& owners) { return owners.empty(); });
    ASSERT_NO_FATAL_FAILURE(expect_all());
  }
}

void Model::share_and_switch_off(Random& random) {
  if (!disk.header().find_extension(extension_magic)) {
    switch_dedup("sha256");
    disk.reopen();
  }
  for (unsigned i = 0; i < 16; ++i)
    write(random, random() % (model.size() / 2), model.size() / 2 + random() % (model.size() / 2));
  // The writes before may have ended with zeros everywhere.
  const std::uint64_t first = random() % (model.size() / bytes() - 1);
  const std::string twice = disk.pattern(next_content + 1) + disk.pattern(next_content + 1);
  ++next_content;
  disk.write(first, twice);
  model.replace(first * bytes(), twice.size(), twice);
  switch_dedup("off");
  disk.flush();
  const auto shared = block::owners_of_shared_clusters(disk.file->content());
  EXPECT_TRUE(std::ranges::find(shared, std::vector{first, first + 1}) != shared.end());
}

// Opening repairs an image, too. A check may come first, and power may fail during it.
void Model::repair_somehow(Random& random) {
  const block::Repair what = random() % 2 == 0 ? block::Repair::leaks : block::Repair::all;
  if (random() % 2 == 0) return;
  if (random() % 2 == 0) {
    const auto operation =
        random() % 2 == 0 ? block::MemoryOperation::write : block::MemoryOperation::flush;
    disk.file->fail(operation, 1 + random() % 8, EIO);
    (void)disk.repair(what);
    disk.file->heal();
    if (random() % 2 == 0) disk.file->set_content(disk.file->durable_content());
    if (random() % 2 == 0) return;
  }
  EXPECT_EQ(disk.repair(what).error, "");
}

void Model::step(Random& random, unsigned thread) {
  std::uint64_t stripes = model.size() / bytes() / stripe_clusters / GetParam().threads;
  std::uint64_t stripe = random() % stripes * GetParam().threads + thread;
  std::uint64_t first = stripe * stripe_clusters * bytes();
  std::uint64_t length = stripe_clusters * bytes();
  std::uint64_t begin = first + random() % length;
  std::uint64_t end = begin + 1 + random() % (first + length - begin);
  switch (random() % 16) {
  case 0: {
    block::ZeroFlags flags;
    flags.may_unmap = random() % 2 == 0;
    EXPECT_TRUE(succeeded(disk.node().co_pwrite_zeroes(begin, end - begin, flags)));
    std::fill(model.begin() + static_cast<std::ptrdiff_t>(begin),
              model.begin() + static_cast<std::ptrdiff_t>(end), '\0');
    break;
  }
  case 1: // what is read afterwards is the driver's choice; ours are zeros
    begin = begin / bytes() * bytes();
    end = (end + bytes() - 1) / bytes() * bytes();
    EXPECT_TRUE(succeeded(disk.node().co_pdiscard(begin, end - begin)));
    std::fill(model.begin() + static_cast<std::ptrdiff_t>(begin),
              model.begin() + static_cast<std::ptrdiff_t>(end), '\0');
    break;
  case 2:
    disk.flush();
    break;
  case 3:
  case 4:
  case 5:
    EXPECT_TRUE(block::read(disk.node(), begin, end - begin) == model.substr(begin, end - begin))
        << "read of " << end - begin << " bytes at " << begin;
    break;
  case 6:
    if (GetParam().dedup && random() % 8 == 0) set_running(random() % 2 == 0);
    break;
  default:
    write(random, begin, end);
  }
}

void Model::grow(Random& random) {
  if (model.size() > 8 * start_clusters * bytes()) return;
  model.resize(model.size() + (1 + random() % 64) * bytes(), '\0');
  EXPECT_TRUE(succeeded(disk.node().co_truncate(model.size())));
}

// A session after whose unclean end the counts are too high at most, so that a repair of leaks is
// enough.
void Model::only_discard(Random& random) {
  disk.reopen();
  for (std::uint64_t cluster = 0; cluster < model.size() / bytes(); ++cluster) {
    if (random() % 2 == 0) continue;
    disk.discard(cluster);
    model.replace(cluster * bytes(), bytes(), disk.zeros());
  }
}

void Model::end_somehow(Random& random) {
  switch (random() % 4) {
  case 0:
  case 1:
    if (random() % 2 == 0) only_discard(random);
    disk.flush();
    if (random() % 2 == 0)
      disk.kill();
    else
      disk.cut_power();
    may_leak = !GetParam().dedup;
    break;
  default:
    ASSERT_TRUE(succeeded(disk.close()));
    // A plain image keeps what leaked at an unclean end.
    if (may_leak)
      disk.expect_consistent();
    else
      disk.expect_clean();
  }
  repair_somehow(random);
  ASSERT_NO_FATAL_FAILURE(disk.open());
  ASSERT_NO_FATAL_FAILURE(expect_all());
  if (random() % 4 == 0) {
    write_duplicates(random);
    ASSERT_NO_FATAL_FAILURE(overwrite_all_owners(random));
  }
  if (random() % 3 == 0) grow(random);
  if (GetParam().switched_off && random() % 2 == 0) share_and_switch_off(random);
  // Dedup is often on again, whatever the last session left.
  if (GetParam().dedup && random() % 2 == 0) set_running(true);
}

TEST_P(Model, ReadsWhatWasWritten) {
  unsigned seed = number_from("MODEL_SEED", std::random_device()());
  RecordProperty("seed", std::to_string(seed));
  SCOPED_TRACE("MODEL_SEED=" + std::to_string(seed));
  std::printf("MODEL_SEED=%u\n", seed);
  Random random(seed);
  auto share = std::chrono::milliseconds(number_from("MODEL_SECONDS", 10)) * 1000 /
               static_cast<int>(std::size(cases));
  auto end = std::chrono::steady_clock::now() + share;
  if (GetParam().switched_off) share_and_switch_off(random);
  unsigned rounds = 0;
  for (; rounds == 0 || std::chrono::steady_clock::now() < end; ++rounds) {
    unsigned threads = GetParam().threads;
    unsigned steps = 1 + random() % 300;
    std::vector<std::thread> others;
    for (unsigned thread = 1; thread < threads; ++thread)
      others.emplace_back([this, thread, steps, own = random()] {
        Random mine(own);
        for (unsigned i = 0; i < steps; ++i)
          step(mine, thread);
      });
    for (unsigned i = 0; i < steps; ++i)
      step(random, 0);
    for (std::thread& other : others)
      other.join();
    if (random() % 8 == 0) expect_all();
    ASSERT_NO_FATAL_FAILURE(end_somehow(random));
    if (HasFailure()) return;
  }
  RecordProperty("rounds", std::to_string(rounds));
  if (GetParam().switched_off) {
    share_and_switch_off(random);
    ASSERT_NO_FATAL_FAILURE(overwrite_all_owners(random));
    EXPECT_GT(std::exchange(shared_clusters, 0), 0u);
  }
  if (GetParam().dedup) set_running(true);
  write_duplicates(random);
  ASSERT_NO_FATAL_FAILURE(overwrite_all_owners(random));
  EXPECT_EQ(shared_clusters > 0, GetParam().dedup && GetParam().refcount_bits > 1);
  ASSERT_TRUE(succeeded(disk.close()));
  if (may_leak)
    disk.expect_consistent();
  else
    disk.expect_clean();
  disk.open();
  expect_all();
}

std::string name_of(const testing::TestParamInfo<Case>& info) {
  return info.param.name;
}

INSTANTIATE_TEST_SUITE_P(Qcow2, Model, testing::ValuesIn(cases), name_of);

} // namespace
} // namespace qcow2_dedup
