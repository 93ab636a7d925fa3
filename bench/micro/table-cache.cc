// The table cache over a file that costs nothing, with tables of the argument's bytes.
#include "block/qcow2/table-cache.h"
#include "block/graph.h"

#include <benchmark/benchmark.h>

#include <cstdlib>
#include <iostream>

namespace {

constexpr std::uint64_t tables = 512; // that the cache holds

class Cache {
public:
  explicit Cache(std::size_t table_bytes)
      : node_(open()),
        file_(*node_),
        cache_(file_, table_bytes, tables * table_bytes, block::DebugEvent::l2_load) {
    for (std::uint64_t number = 0; number < tables; ++number)
      get(number);
  }
  qcow2::Table& get(std::uint64_t number) {
    auto table = cache_.get(qcow2::HostOffset(number * cache_.table_bytes()));
    if (!table) fail(table.error());
    return **table;
  }
  qcow2::TableCache* operator->() { return &cache_; }

private:
  [[noreturn]] static void fail(const block::Error& error) {
    std::cerr << error.message() << '\n';
    std::exit(1);
  }
  std::shared_ptr<block::Node> open() {
    auto node = graph_.open({{"driver", "null-co"}, {"size", "1T"}}, {});
    if (!node) fail(node.error());
    return *node;
  }

  block::Graph graph_;
  std::shared_ptr<block::Node> node_;
  qcow2::HostFile file_;
  qcow2::TableCache cache_;
};

// As of neighbouring clusters: the table asked for last.
void table_cache_same(benchmark::State& state) {
  Cache cache(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state)
    benchmark::DoNotOptimize(&cache.get(1));
}

void table_cache_hit(benchmark::State& state) {
  Cache cache(static_cast<std::size_t>(state.range(0)));
  std::uint64_t number = 0;
  for (auto _ : state)
    benchmark::DoNotOptimize(&cache.get(number = (number + 211) % tables));
}

// Reads a table and drops another one.
void table_cache_miss(benchmark::State& state) {
  Cache cache(static_cast<std::size_t>(state.range(0)));
  std::uint64_t number = tables;
  for (auto _ : state) {
    benchmark::DoNotOptimize(&cache.get(number));
    number = number % (1 << 20) + 1;
    cache->trim();
  }
}

// One changed entry in each of half the tables, copied out and taken for written.
void table_cache_write_back(benchmark::State& state) {
  Cache cache(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) {
    for (std::uint64_t number = 0; number < tables / 2; ++number)
      cache.get(number).set_entry(5, number);
    const std::vector<qcow2::TableWrite> writes = cache->begin_write_back();
    benchmark::DoNotOptimize(writes.data());
    cache->end_write_back(writes, true);
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(tables / 2));
}

BENCHMARK(table_cache_same)->Arg(4096)->Arg(65536);
BENCHMARK(table_cache_hit)->Arg(4096)->Arg(65536);
BENCHMARK(table_cache_miss)->Arg(4096)->Arg(65536);
BENCHMARK(table_cache_write_back)->Arg(4096)->Arg(65536);

} // namespace
