// FreedSpace: bits in chunks of 4 KiB.
#include "block/qcow2/freed-space.h"

#include <algorithm>
#include <bit>

namespace qcow2 {

void FreedSpace::add(HostCluster cluster) {
  Chunk& chunk = chunks_[cluster.value() / chunk_clusters];
  std::uint64_t index = cluster.value() % chunk_clusters;
  std::uint64_t& word = chunk.words[index / word_bits];
  if ((word & bit(index % word_bits)) == 0) ++chunk.count;
  word |= bit(index % word_bits);
}

bool FreedSpace::clear(Chunk& chunk, std::uint64_t index) {
  std::uint64_t& word = chunk.words[index / word_bits];
  if ((word & bit(index % word_bits)) == 0) return false;
  word &= ~bit(index % word_bits);
  --chunk.count;
  return true;
}

void FreedSpace::remove(HostCluster first, std::uint64_t clusters) {
  if (chunks_.empty()) return;
  for (HostCluster cluster = first; cluster < first + clusters; ++cluster) {
    auto chunk = chunks_.find(cluster.value() / chunk_clusters);
    if (chunk == chunks_.end()) continue;
    clear(chunk->second, cluster.value() % chunk_clusters);
    if (chunk->second.count == 0) chunks_.erase(chunk);
  }
}

void FreedSpace::absorb(FreedSpace& other) {
  chunks_.merge(other.chunks_);
  for (const auto& [number, more] : other.chunks_) { // chunks that exist here, too
    Chunk& chunk = chunks_.find(number)->second;
    chunk.count = 0;
    for (std::size_t word = 0; word < chunk_words; ++word) {
      chunk.words[word] |= more.words[word];
      chunk.count += static_cast<std::uint64_t>(std::popcount(chunk.words[word]));
    }
  }
  other.chunks_.clear();
}

std::vector<HostRun> FreedSpace::hold_some(std::size_t most) {
  if (!held_.empty()) return {};
  while (!chunks_.empty() && held_.size() < most)
    hold_from(std::prev(chunks_.end()), most);
  std::ranges::sort(held_, {}, &HostRun::first);
  return held_;
}

void FreedSpace::hold_from(Chunks::iterator at, std::size_t most) {
  auto& [number, chunk] = *at;
  const HostCluster base(number * chunk_clusters);
  for (std::uint64_t index = 0; chunk.count > 0 && held_.size() < most;) {
    if (chunk.words[index / word_bits] >> (index % word_bits) == 0) {
      index = (index / word_bits + 1) * word_bits; // none in the rest of the word
      continue;
    }
    std::uint64_t clusters = 0;
    while (index + clusters < chunk_clusters && clear(chunk, index + clusters))
      ++clusters;
    if (clusters > 0) held_.push_back({base + index, clusters});
    index += clusters + 1; // the cluster after the run is not free
  }
  if (chunk.count == 0) chunks_.erase(at);
}

std::optional<HostCluster> FreedSpace::release_held() {
  if (held_.empty()) return std::nullopt;
  HostCluster first = held_.front().first;
  held_.clear();
  return first;
}

std::optional<HostRun> FreedSpace::held_in(HostCluster first, std::uint64_t clusters) const {
  auto overlaps = [&](const HostRun& run) {
    return run.first < first + clusters && first < run.first + run.clusters;
  };
  auto found = std::ranges::find_if(held_, overlaps);
  return found == held_.end() ? std::nullopt : std::optional(*found);
}

} // namespace qcow2
