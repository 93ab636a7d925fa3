// The index at uniform load, with as many entries as the argument says.
#include "block/dedup/index.h"

#include <benchmark/benchmark.h>

#include <cstring>
#include <memory>

namespace {

// Numbers spread evenly, the nth without the ones before (SplitMix64).
dedup::Fingerprint fingerprint(std::uint64_t number) {
  std::uint64_t mixed = (number + 1) * 0x9E3779B97F4A7C15;
  mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9;
  mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB;
  mixed ^= mixed >> 31;
  dedup::Fingerprint result;
  std::memcpy(result.bytes.data(), &mixed, sizeof mixed);
  return result;
}

// Filled once for all benchmarks of that size.
dedup::Index& index_of(std::uint64_t entries) {
  static std::unique_ptr<dedup::Index> index;
  static std::uint64_t filled = 0;
  if (!index || filled != entries) {
    index.reset();
    index = dedup::make_tree_index();
    for (std::uint64_t number = 0; number < entries; ++number)
      index->insert(fingerprint(number), block::HostCluster(number));
    filled = entries;
  }
  return *index;
}

// Goes through the entries in an order that is not that of their insertion.
class Walk {
public:
  explicit Walk(std::uint64_t entries) : entries_(entries) {}
  std::uint64_t next() { return at_ = (at_ + stride) % entries_; }

private:
  static constexpr std::uint64_t stride = 7'368'787; // a prime
  std::uint64_t entries_, at_ = 0;
};

void index_find_known(benchmark::State& state) {
  const auto entries = static_cast<std::uint64_t>(state.range(0));
  const dedup::Index& index = index_of(entries);
  Walk walk(entries);
  for (auto _ : state)
    benchmark::DoNotOptimize(index.find(fingerprint(walk.next())));
}

void index_find_unknown(benchmark::State& state) {
  const auto entries = static_cast<std::uint64_t>(state.range(0));
  const dedup::Index& index = index_of(entries);
  Walk walk(entries);
  for (auto _ : state)
    benchmark::DoNotOptimize(index.find(fingerprint(entries + walk.next())));
}

// Both, so that the index stays as large as it is.
void index_insert_and_remove(benchmark::State& state) {
  const auto entries = static_cast<std::uint64_t>(state.range(0));
  dedup::Index& index = index_of(entries);
  Walk walk(entries);
  for (auto _ : state) {
    const std::uint64_t number = entries + walk.next();
    index.insert(fingerprint(number), block::HostCluster(number));
    index.remove(fingerprint(number), block::HostCluster(number));
  }
  state.counters["bytes each"] =
      static_cast<double>(index.memory_bytes()) / static_cast<double>(index.entries());
}

#define INDEX_BENCHMARKS(entries)                                                                  \
  BENCHMARK(index_find_known)->Arg(entries);                                                       \
  BENCHMARK(index_find_unknown)->Arg(entries);                                                     \
  BENCHMARK(index_insert_and_remove)->Arg(entries)
INDEX_BENCHMARKS(100'000);
INDEX_BENCHMARKS(1'000'000);
INDEX_BENCHMARKS(10'000'000);

} // namespace
