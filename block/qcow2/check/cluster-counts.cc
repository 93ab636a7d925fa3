// Sparse counters: chunks of 4096 clusters, each a short list or an array of bytes.
#include "block/qcow2/check/cluster-counts.h"

#include <algorithm>
#include <limits>

namespace qcow2 {

const ClusterCounts::Chunk* ClusterCounts::find(std::uint64_t chunk_number) const {
  Recent& recent = recent_[chunk_number % recent_.size()];
  if (recent.number == chunk_number) return recent.chunk;
  auto found = chunks_.find(chunk_number);
  if (found == chunks_.end()) return nullptr;
  // add() uses the cache, too, and may change the chunk, so the pointer is not const.
  recent = {chunk_number, const_cast<Chunk*>(&found->second)};
  return &found->second;
}

std::uint64_t ClusterCounts::full_count(std::uint8_t byte, std::uint64_t cluster) const {
  return byte == escaped ? large_.at(cluster) : byte;
}

std::uint64_t ClusterCounts::get(HostCluster cluster) const {
  const Chunk* chunk = find(cluster.value() >> chunk_bits);
  if (!chunk) return 0;
  auto index = static_cast<std::uint16_t>(cluster.value() % chunk_clusters);
  if (chunk->dense) return full_count((*chunk->dense)[index], cluster.value());
  auto slot =
      std::lower_bound(chunk->few.begin(), chunk->few.end(), index,
                       [](const Slot& each, std::uint16_t key) { return each.index < key; });
  if (slot == chunk->few.end() || slot->index != index) return 0;
  return full_count(slot->count, cluster.value());
}

ClusterCounts::Chunk& ClusterCounts::chunk_for(std::uint64_t number) {
  if (Recent recent = recent_[number % recent_.size()]; recent.number == number)
    return *recent.chunk;
  Chunk& chunk = chunks_[number];
  if (chunks_.size() > recent_.size()) recent_.assign(2 * recent_.size(), Recent());
  recent_[number % recent_.size()] = {number, &chunk};
  return chunk;
}

std::uint8_t& ClusterCounts::byte_for(HostCluster cluster) {
  Chunk& chunk = chunk_for(cluster.value() >> chunk_bits);
  auto index = static_cast<std::uint16_t>(cluster.value() % chunk_clusters);
  if (chunk.dense) return (*chunk.dense)[index];
  auto slot =
      std::lower_bound(chunk.few.begin(), chunk.few.end(), index,
                       [](const Slot& each, std::uint16_t key) { return each.index < key; });
  if (slot != chunk.few.end() && slot->index == index) return slot->count;
  if (chunk.few.size() < max_few) return chunk.few.insert(slot, Slot{index, 0})->count;
  chunk.dense = std::make_unique<std::array<std::uint8_t, chunk_clusters>>();
  for (const Slot& each : chunk.few)
    (*chunk.dense)[each.index] = each.count;
  chunk.few = {};
  return (*chunk.dense)[index];
}

void ClusterCounts::add(HostCluster cluster, std::uint64_t amount) {
  if (amount == 0) return;
  end_ = std::max(end_, cluster + 1);
  std::uint8_t& byte = byte_for(cluster);
  std::uint64_t count = full_count(byte, cluster.value());
  constexpr auto max = std::numeric_limits<std::uint64_t>::max();
  count = amount > max - count ? max : count + amount;
  if (count < escaped) {
    byte = static_cast<std::uint8_t>(count);
  } else {
    byte = escaped;
    large_[cluster.value()] = count;
  }
}

void ClusterCounts::set(HostCluster cluster, std::uint64_t count) {
  if (count == 0 && get(cluster) == 0) return;
  std::uint8_t& byte = byte_for(cluster);
  if (byte == escaped) large_.erase(cluster.value());
  byte = 0;
  add(cluster, count);
  if (count == 0 && cluster + 1 == end_) end_ = find_end();
}

void ClusterCounts::clear() {
  recent_.assign(min_recent, Recent());
  chunks_.clear();
  large_.clear();
  end_ = HostCluster(0);
}

void ClusterCounts::copy(HostCluster first, std::span<std::uint64_t> counts) const {
  std::fill(counts.begin(), counts.end(), 0);
  for_each(first, first + counts.size(),
           [&](HostCluster cluster, std::uint64_t count) { counts[cluster - first] = count; });
}

void ClusterCounts::for_each(HostCluster first, HostCluster end,
                             const std::function<void(HostCluster, std::uint64_t)>& visit) const {
  if (first >= end) return;
  auto last_chunk = (end.value() - 1) >> chunk_bits;
  for (auto at = chunks_.lower_bound(first.value() >> chunk_bits);
       at != chunks_.end() && at->first <= last_chunk; ++at) {
    std::uint64_t base = at->first << chunk_bits;
    auto visit_one = [&](std::uint64_t index, std::uint8_t byte) {
      std::uint64_t cluster = base + index;
      if (byte != 0 && cluster >= first.value() && cluster < end.value())
        visit(HostCluster(cluster), full_count(byte, cluster));
    };
    if (!at->second.dense) {
      for (const Slot& each : at->second.few)
        visit_one(each.index, each.count);
      continue;
    }
    std::uint64_t from = first.value() > base ? first.value() - base : 0;
    std::uint64_t to = std::min(chunk_clusters, end.value() - base);
    for (std::uint64_t index = from; index < to; ++index)
      visit_one(index, (*at->second.dense)[index]);
  }
}

bool ClusterCounts::untouched(HostCluster first, HostCluster end) const {
  auto at = chunks_.lower_bound(first.value() >> chunk_bits);
  return first >= end || at == chunks_.end() || at->first > ((end.value() - 1) >> chunk_bits);
}

HostCluster ClusterCounts::find_end() const {
  for (auto at = chunks_.rbegin(); at != chunks_.rend(); ++at) {
    HostCluster base(at->first << chunk_bits);
    HostCluster end(0);
    for_each(base, base + chunk_clusters,
             [&](HostCluster cluster, std::uint64_t) { end = cluster + 1; });
    if (end.value() > 0) return end;
  }
  return HostCluster(0);
}

} // namespace qcow2
