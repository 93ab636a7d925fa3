// Tables that do not fit into their caches, and reads of them that fail: after each clean close the
// file is right, and its dedup table says nothing that is not so.
//
// TINY_CACHES_ROUNDS and TINY_CACHES_SEED make longer runs and repeat one.
#include "tests/support/qcow2-disk.h"

#include <algorithm>
#include <cstdlib>
#include <random>
#include <thread>

namespace qcow2_dedup {
namespace {

using block::DiskShape;
using block::MemoryOperation;
using block::Qcow2Disk;
using Random = std::mt19937;

unsigned number_from(const char* variable, unsigned otherwise) {
  const char* text = std::getenv(variable);
  return text ? static_cast<unsigned>(std::strtoul(text, nullptr, 10)) : otherwise;
}

// Findings of both checks in one, but for what an I/O error or an unclean end may leave.
std::string findings(Qcow2Disk& disk) {
  const block::DiskCheck found = disk.check();
  std::string wrong = found.error;
  for (const std::string& line : found.lines)
    if (!line.starts_with("Leaked cluster") && !line.ends_with("(the table is not trusted)"))
      wrong += line + "\n";
  return wrong;
}

DiskShape shape(std::uint64_t guest_clusters, const std::string& dedup_cache) {
  return {.cluster_bits = 9,
          .guest_clusters = guest_clusters,
          .open = {{"dedup-cache-size", dedup_cache},
                   {"l2-cache-size", "4k"},
                   {"refcount-cache-size", "4k"}}};
}

// A disk whose refcounts are in more blocks than the cache holds.
class TinyCaches : public testing::Test {
protected:
  static constexpr std::uint64_t per_block = 256, blocks = 14; // refcounts
  static constexpr std::uint64_t stored = per_block * blocks;  // guest clusters, each another one

  static DiskShape small() { return shape(stored + per_block, "1M"); }
  // The contents of every so-many-th cluster.
  static std::string contents(const Qcow2Disk& disk, std::uint64_t first, std::uint64_t step) {
    std::string data;
    for (std::uint64_t number = first; number < stored; number += step)
      data += disk.pattern(static_cast<unsigned>(number));
    return data;
  }
};

// Within the request a refcount block is read again and again.
TEST_F(TinyCaches, AnyReadOfARequestThatSharesClustersEverywhereMayFail) {
  Qcow2Disk made(small());
  const std::string all = contents(made, 0, 1), duplicates = contents(made, 0, per_block);
  made.write(0, all);
  ASSERT_TRUE(succeeded(made.close()));
  unsigned failed = 0;
  for (bool reached = true; reached && !HasFailure();) {
    Qcow2Disk disk(small(), made.file->content());
    disk.open();
    disk.wait_for_index();
    disk.wait_for_scan();
    const std::uint64_t before = disk.file->count(MemoryOperation::read);
    disk.file->fail(MemoryOperation::read, ++failed, EIO);
    (void)disk.try_write(stored, duplicates).ok();
    reached = disk.file->count(MemoryOperation::read) >= before + failed;
    disk.file->heal();
    EXPECT_TRUE(disk.holds(0, all));
    EXPECT_TRUE(succeeded(disk.close()));
    EXPECT_EQ(findings(disk), "") << "after an error of read " << failed;
  }
  EXPECT_GT(failed, 2 * blocks);
}

// What a flush promises does not depend on counts that went down.
TEST_F(TinyCaches, ARefcountThatCannotBeLoweredFailsNoFlushAndIsLoweredLater) {
  Qcow2Disk disk(small());
  const std::string all = contents(disk, 0, 1);
  disk.write(0, all);
  disk.reopen();
  disk.wait_for_index();
  disk.discard(3);
  disk.write(stored, contents(disk, per_block, per_block)); // the first block leaves the cache
  disk.file->fail_reads_of(disk.file64(disk.header().refcount_table_offset.value()));
  const std::uint64_t before = disk.file->count(MemoryOperation::read);
  disk.flush();
  EXPECT_GT(disk.file->count(MemoryOperation::read), before) << "it was in memory: nothing tested";
  disk.flush();
  disk.file->heal();
  EXPECT_TRUE(disk.holds(0, all.substr(0, 3 * disk.cluster_bytes()) + disk.zeros()));
  EXPECT_TRUE(succeeded(disk.close()));
  disk.expect_clean();
}

// Random requests on more hash blocks than the cache holds, or than half of it, while deduplication
// pauses and resumes, and now and then an operation on the file fails.
class TinyDedupCache : public testing::TestWithParam<const char*> {
protected:
  static constexpr std::uint64_t clusters = 20'000; // twelve hash blocks and more
  static constexpr unsigned threads = 3;            // each has a part of the disk
  static constexpr unsigned requests = 60;          // of each thread, one after the other

  std::uint64_t bytes() const { return disk.cluster_bytes(); }

  // What fails leaves the old content, the new, or both in part.
  void note(std::uint64_t guest, const std::string& data, bool done) {
    for (std::uint64_t i = 0; i < data.size() / bytes(); ++i)
      known[guest + i] = done;
    std::copy(data.begin(), data.end(),
              model.begin() + static_cast<std::ptrdiff_t>(guest * bytes()));
  }
  void request(Random& random, unsigned thread) {
    constexpr std::uint64_t part = clusters / threads, longest = 64;
    const std::uint64_t guest = part * thread + random() % (part - longest);
    const std::uint64_t count = 1 + random() % (random() % 8 == 0 ? longest : 4);
    if (random() % 8 == 0) {
      const bool done = disk.node().co_pdiscard(guest * bytes(), count * bytes()).ok();
      return note(guest, block::zeros(count * bytes()), done);
    }
    std::string data; // half of it from a small pool
    while (data.size() < count * bytes())
      data += disk.pattern(random() % 2 == 0 ? random() % 500 : 1000 + random() % 100'000);
    note(guest, data, disk.try_write(guest, data).ok());
  }
  void requests_of_all_threads(Random& random) {
    std::vector<std::thread> all;
    for (unsigned thread = 0; thread < threads; ++thread)
      all.emplace_back([this, thread, own = Random(random())]() mutable {
        for (unsigned i = 0; i < requests; ++i)
          request(own, thread);
      });
    for (std::thread& thread : all)
      thread.join();
  }
  void fail_something(Random& random) {
    constexpr MemoryOperation operations[] = {MemoryOperation::read, MemoryOperation::write,
                                              MemoryOperation::flush};
    disk.file->fail(operations[random() % 3], 1 + random() % 200, random() % 2 ? EIO : ENOSPC);
  }
  void expect_all() {
    for (std::uint64_t guest = 0; guest < clusters; ++guest) {
      if (!known[guest]) continue;
      ASSERT_TRUE(disk.holds(guest, model.substr(guest * bytes(), bytes())));
    }
  }

  Qcow2Disk disk{shape(clusters, GetParam())};
  std::string model = block::pattern(clusters * disk.cluster_bytes(), 1);
  std::vector<char> known = std::vector<char>(clusters, true);
};

TEST_P(TinyDedupCache, LeavesATableThatIsRight) {
  const unsigned seed = number_from("TINY_CACHES_SEED", std::random_device()());
  SCOPED_TRACE("TINY_CACHES_SEED=" + std::to_string(seed));
  Random random(seed);
  disk.write(0, model);
  disk.reopen();
  for (unsigned round = number_from("TINY_CACHES_ROUNDS", 6); round > 0; --round) {
    const bool faults = random() % 2 == 0;
    for (unsigned turn = 0; turn < 4; ++turn) {
      const unsigned choice = random() % 3;
      ASSERT_TRUE(choice != 1 || succeeded(disk.node().pause_dedup()));
      ASSERT_TRUE(choice != 2 || succeeded(disk.node().resume_dedup({})));
      if (faults) fail_something(random);
      requests_of_all_threads(random);
      if (random() % 4 == 0) (void)disk.node().co_flush().ok();
    }
    disk.file->heal();
    ASSERT_NO_FATAL_FAILURE(expect_all());
    ASSERT_TRUE(succeeded(disk.close()));
    ASSERT_EQ(findings(disk), "");
    disk.open();
    ASSERT_TRUE(disk.counters().table_trusted);
  }
}

INSTANTIATE_TEST_SUITE_P(DedupCache, TinyDedupCache, testing::Values("64k", "1280k"),
                         [](const auto& size) { return std::string("Of") + size.param; });

} // namespace
} // namespace qcow2_dedup
