// Zero detection beside memchr, which reads every byte once and does little else.
#include "block/util/zero.h"

#include <benchmark/benchmark.h>

#include <cstring>
#include <vector>

namespace {

void sizes(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgName("bytes")->Arg(4096)->Arg(65536)->Arg(1 << 20)->Arg(64 << 20);
}

void zero_of_zeros(benchmark::State& state) {
  const std::vector<std::byte> zeros(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state)
    benchmark::DoNotOptimize(block::buffer_is_zero(zeros));
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(zero_of_zeros)->Apply(sizes);

void memchr_of_zeros(benchmark::State& state) {
  const std::vector<std::byte> zeros(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state)
    benchmark::DoNotOptimize(std::memchr(zeros.data(), 1, zeros.size()));
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(memchr_of_zeros)->Apply(sizes);

// As most data is: not zero where one looks first.
void zero_of_data(benchmark::State& state) {
  const std::vector<std::byte> data(4096, std::byte{1});
  for (auto _ : state)
    benchmark::DoNotOptimize(block::buffer_is_zero(data));
}
BENCHMARK(zero_of_data);

// Data that looks like zeros: its one byte stands where it is seen last.
void zero_of_nearly_zeros(benchmark::State& state) {
  std::vector<std::byte> data(4096);
  data[data.size() - 9] = std::byte{1};
  for (auto _ : state)
    benchmark::DoNotOptimize(block::buffer_is_zero(data));
}
BENCHMARK(zero_of_nearly_zeros);

} // namespace
