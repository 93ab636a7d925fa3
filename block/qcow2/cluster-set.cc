// ClusterSet: bits in small chunks.
#include "block/qcow2/cluster-set.h"

#include <algorithm>
#include <bit>

namespace qcow2 {
namespace {

std::uint64_t bit_of(HostCluster cluster) {
  return bit(cluster.value() % 64);
}

} // namespace

bool ClusterSet::add(HostCluster first, std::uint64_t clusters) {
  bool all_new = true;
  Chunk* chunk = nullptr;
  for (HostCluster cluster = first; cluster < first + clusters; ++cluster) {
    bool begins_chunk = cluster.value() % clusters_per_chunk == 0;
    if (!chunk || begins_chunk) chunk = &chunks_[cluster.value() / clusters_per_chunk];
    std::uint64_t& word = (*chunk)[cluster.value() % clusters_per_chunk / 64];
    if (word & bit_of(cluster)) all_new = false;
    word |= bit_of(cluster);
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

bool ClusterSet::contains_any(HostCluster first, std::uint64_t clusters) const {
  for (HostCluster cluster = first; cluster < first + clusters; ++cluster)
    if (contains(cluster)) return true;
  return false;
}

} // namespace qcow2
