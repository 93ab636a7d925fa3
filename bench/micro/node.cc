// What the node layer adds to a request: requests that a driver answers at once.
#include "block/graph.h"

#include <benchmark/benchmark.h>
#include <vector>

namespace {

std::shared_ptr<block::Node> open(benchmark::State& state, block::Graph& graph,
                                  const char* options) {
  auto node = graph.open(*block::Options::parse(options), {});
  if (node) return *node;
  state.SkipWithError(node.error().message().c_str());
  return nullptr;
}

template <typename Request>
void measure(benchmark::State& state, const char* options, Request request) {
  block::Graph graph;
  auto node = open(state, graph, options);
  std::vector<std::byte> memory(4096);
  const block::IoVector vector(memory.data(), memory.size());
  for (auto _ : state)
    benchmark::DoNotOptimize(request(*node, vector).ok());
}

void node_read(benchmark::State& state, const char* options) {
  measure(state, options, [](block::Node& node, const block::IoVector& vector) {
    return node.co_readv(4096, vector);
  });
}

void node_write(benchmark::State& state, const char* options) {
  measure(state, options, [](block::Node& node, const block::IoVector& vector) {
    return node.co_writev(4096, vector);
  });
}

constexpr const char* null_node = "driver=null-co,read-zeroes=off";
constexpr const char* raw_node = "driver=raw,file.driver=null-co,file.read-zeroes=off";

BENCHMARK_CAPTURE(node_read, null, null_node);
BENCHMARK_CAPTURE(node_read, raw, raw_node);
BENCHMARK_CAPTURE(node_write, null, null_node);
BENCHMARK_CAPTURE(node_write, raw, raw_node);

} // namespace
