// ClusterSet: bits in small chunks.
#include "block/qcow2/cluster-set.h"

#include <algorithm>
#include <bit>

namespace qcow2 {
namespace {

std::uint64_t bit_of(HostCluster cluster) {
  return bit(cluster.value() % 64);
}

// Returns a word with `count` bits set from bit `first` on; `count` is at least one.
std::uint64_t bits_of(std::uint64_t first, std::uint64_t count) {
  return ~std::uint64_t{0} >> (64 - count) << first;
}

} // namespace

bool ClusterSet::add(HostCluster first, std::uint64_t clusters) {
  bool all_new = true;
  const std::uint64_t end = first.value() + clusters;
  Chunk* chunk = nullptr;
  for (std::uint64_t at = first.value(); at < end;) {
    if (!chunk || at % clusters_per_chunk == 0) chunk = &chunks_[at / clusters_per_chunk];
    const std::uint64_t word_end = std::min(end, (at / 64 + 1) * 64);
    std::uint64_t& word = (*chunk)[at % clusters_per_chunk / 64];
    const std::uint64_t added = bits_of(at % 64, word_end - at);
    if (word & added) all_new = false;
    word |= added;
    at = word_end;
  }
  return all_new;
}

void ClusterSet::remove(HostCluster cluster) {
  auto chunk = chunks_.find(cluster.value() / clusters_per_chunk);
  if (chunk == chunks_.end()) return;
  chunk->second[cluster.value() % clusters_per_chunk / 64] &= ~bit_of(cluster);
  if (chunk->second == Chunk{}) chunks_.erase(chunk);
}

bool ClusterSet::contains(HostCluster cluster) const {
  auto chunk = chunks_.find(cluster.value() / clusters_per_chunk);
  return chunk != chunks_.end() &&
         (chunk->second[cluster.value() % clusters_per_chunk / 64] & bit_of(cluster)) != 0;
}

HostCluster ClusterSet::end() const {
  std::uint64_t end = 0;
  for (const auto& [number, chunk] : chunks_)
    for (std::size_t word = words; word-- > 0;) {
      if (chunk[word] == 0) continue;
      end = std::max<std::uint64_t>(end, number * clusters_per_chunk + word * 64 +
                                             std::bit_width(chunk[word]));
      break;
    }
  return HostCluster(end);
}

// By words: opening an image looks up the clusters of each table, millions at a time.
bool ClusterSet::contains_any(HostCluster first, std::uint64_t clusters) const {
  const std::uint64_t end = first.value() + clusters;
  for (std::uint64_t at = first.value(); at < end;) {
    auto chunk = chunks_.find(at / clusters_per_chunk);
    const std::uint64_t chunk_end = (at / clusters_per_chunk + 1) * clusters_per_chunk;
    if (chunk == chunks_.end()) {
      at = chunk_end;
      continue;
    }
    for (const std::uint64_t stop = std::min(end, chunk_end); at < stop;) {
      const std::uint64_t word_end = std::min(stop, (at / 64 + 1) * 64);
      const std::uint64_t word = chunk->second[at % clusters_per_chunk / 64];
      if (word & bits_of(at % 64, word_end - at)) return true;
      at = word_end;
    }
  }
  return false;
}

} // namespace qcow2
