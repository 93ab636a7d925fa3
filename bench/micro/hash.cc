// Hashing: every algorithm of the build, in batches and one cluster at a time.
#include "block/dedup/fingerprint.h"

#include <benchmark/benchmark.h>

#include <random>
#include <vector>

namespace {

void hash(benchmark::State& state, dedup::HashAlgorithm algorithm) {
  const auto cluster_bytes = static_cast<std::size_t>(state.range(0));
  const auto batch = static_cast<std::size_t>(state.range(1));
  const auto hasher = dedup::Hasher::create(algorithm);
  if (!hasher) {
    state.SkipWithError("not in this build");
    return;
  }
  std::mt19937 random(1);
  std::vector<std::byte> data(cluster_bytes * batch);
  for (std::byte& byte : data)
    byte = static_cast<std::byte>(random());
  std::vector<const std::byte*> clusters(batch);
  for (std::size_t i = 0; i < batch; ++i)
    clusters[i] = data.data() + i * cluster_bytes;
  std::vector<dedup::Fingerprint> fingerprints(batch);
  for (auto _ : state) {
    hasher->fingerprint(clusters, cluster_bytes, fingerprints);
    benchmark::DoNotOptimize(fingerprints.data());
  }
  state.SetBytesProcessed(state.iterations() * state.range(0) * state.range(1));
}

// What one piece of a large request holds, and a single cluster.
void sizes(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgNames({"cluster", "batch"});
  benchmark->Args({4096, 256})->Args({4096, 1})->Args({65536, 16})->Args({65536, 1});
}

using enum dedup::HashAlgorithm;
BENCHMARK_CAPTURE(hash, sha256, sha256)->Apply(sizes);
BENCHMARK_CAPTURE(hash, sha3_256, sha3_256)->Apply(sizes);
BENCHMARK_CAPTURE(hash, skein, skein_256)->Apply(sizes);
BENCHMARK_CAPTURE(hash, blake2b_256, blake2b_256)->Apply(sizes);
BENCHMARK_CAPTURE(hash, xxh3_128, xxh3_128)->Apply(sizes);

} // namespace
