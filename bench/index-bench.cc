// Memory and time of the fingerprint index at uniform load: docs/developer/decisions/index.md.
//
// usage: index-bench [ENTRIES]
#include "block/dedup/index.h"

#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <vector>

namespace {

dedup::Fingerprint fingerprint(std::uint64_t prefix) {
  dedup::Fingerprint result;
  std::memcpy(result.bytes.data(), &prefix, sizeof prefix);
  return result;
}

// Calls `action` with 0 ... count - 1 and returns what one call took.
template <typename Action>
double nanoseconds_each(std::size_t count, Action action) {
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  for (std::size_t i = 0; i < count; ++i)
    action(i);
  const std::chrono::duration<double, std::nano> elapsed = Clock::now() - start;
  return elapsed.count() / static_cast<double>(count);
}

double resident_bytes() {
  unsigned long size = 0, resident = 0;
  std::FILE* statm = std::fopen("/proc/self/statm", "r");
  if (statm == nullptr || std::fscanf(statm, "%lu %lu", &size, &resident) != 2) std::abort();
  std::fclose(statm);
  return static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE));
}

} // namespace

int main(int argc, char** argv) {
  const std::size_t entries = argc > 1 ? std::strtoul(argv[1], nullptr, 0) : 1'000'000;
  if (entries == 0) {
    std::fprintf(stderr, "usage: index-bench [ENTRIES]\n");
    return 1;
  }
  std::mt19937_64 random(1);
  std::vector<std::uint64_t> prefixes(entries);
  for (std::uint64_t& prefix : prefixes)
    prefix = random();
  auto shuffled = prefixes; // so that lookups come in another order than inserts
  std::ranges::shuffle(shuffled, random);

  const auto index = dedup::make_tree_index();
  const double resident_before = resident_bytes();
  const auto heap_before = mallinfo2().uordblks;
  const double insert = nanoseconds_each(entries, [&](std::size_t i) {
    index->insert(fingerprint(prefixes[i]), block::HostCluster(i));
  });
  const double count = static_cast<double>(index->entries());
  std::printf("%llu entries\n", static_cast<unsigned long long>(index->entries()));
  std::printf("bytes per entry: told %.2f, heap %.2f, resident %.2f\n",
              static_cast<double>(index->memory_bytes()) / count,
              static_cast<double>(mallinfo2().uordblks - heap_before) / count,
              (resident_bytes() - resident_before) / count);
  std::size_t found = 0;
  const double hit = nanoseconds_each(
      entries, [&](std::size_t i) { found += index->find(fingerprint(shuffled[i])).size(); });
  const double miss = nanoseconds_each(entries, [&](std::size_t i) {
    found += index->find(fingerprint(shuffled[i] ^ 0xFF00)).size();
  });
  constexpr std::size_t batch = 256; // clusters of 4 KiB in a request of 1 MiB
  std::vector<dedup::Fingerprint> fingerprints(batch);
  std::vector<dedup::Candidates> candidates(batch);
  const double together = nanoseconds_each(entries / batch,
                                           [&](std::size_t i) {
                                             for (std::size_t j = 0; j < batch; ++j)
                                               fingerprints[j] =
                                                   fingerprint(shuffled[i * batch + j] ^ 0xFF00);
                                             index->find(fingerprints, candidates);
                                             found += candidates.front().size();
                                           }) /
                          batch;
  const double remove = nanoseconds_each(entries, [&](std::size_t i) {
    index->remove(fingerprint(prefixes[i]), block::HostCluster(i));
  });
  std::printf("nanoseconds: insert %.0f, lookup found %.0f, lookup not found %.0f, %zu at once "
              "%.0f, remove %.0f\n",
              insert, hit, miss, batch, together, remove);
  if (found < entries || index->entries() != 0) {
    std::fprintf(stderr, "index-bench: the index lost entries\n");
    return 1;
  }
}
