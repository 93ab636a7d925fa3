// Tables that do not fit into their caches, and reads of them that fail: after each clean close the
// file is right, and its dedup table says nothing that is not so.
//
// TINY_CACHES_ROUNDS and TINY_CACHES_SEED make longer runs and repeat one.
#include "tests/support/qcow2-disk.h"

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

// Refcounts in more blocks than the cache holds, so that within one request a block is read again
// and again.
TEST(TinyCaches, AnyReadOfARequestThatSharesClustersEverywhereMayFail) {
  constexpr std::uint64_t per_block = 256, blocks = 14;
  constexpr std::uint64_t clusters = per_block * (blocks + 1);
  std::string all, picked;
  std::vector<std::byte> content;
  {
    Qcow2Disk disk(shape(clusters, "1M"));
    for (unsigned i = 0; i < per_block * blocks; ++i)
      all += disk.pattern(i);
    for (unsigned i = 0; i < blocks; ++i)
      picked += disk.pattern(i * per_block);
    disk.write(0, all);
    ASSERT_TRUE(succeeded(disk.close()));
    content = disk.file->content();
  }
  unsigned failed = 0;
  for (bool reached = true; reached && !HasFailure();) {
    Qcow2Disk disk(shape(clusters, "1M"), content);
    disk.open();
    disk.wait_for_index();
    disk.wait_for_scan();
    const std::uint64_t before = disk.file->count(MemoryOperation::read);
    disk.file->fail(MemoryOperation::read, ++failed, EIO);
    (void)disk.try_write(per_block * blocks, picked).ok();
    reached = disk.file->count(MemoryOperation::read) >= before + failed;
    disk.file->heal();
    EXPECT_TRUE(disk.holds(0, all));
    EXPECT_TRUE(succeeded(disk.close()));
    EXPECT_EQ(findings(disk), "") << "after an error of read " << failed;
  }
  EXPECT_GT(failed, 2 * blocks);
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
    model.replace(guest * bytes(), data.size(), data);
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
