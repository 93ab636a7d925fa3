// Refcounts of any width from 1 to 64 bits, in cached blocks.
#include "block/qcow2/refcounts.h"

#include <algorithm>

namespace qcow2 {
namespace {

// Widths below 8 bits are packed from the least significant bit of each byte on.
std::uint64_t load_refcount(const std::byte* counts, unsigned order, std::size_t index) {
  switch (order) {
  case 3:
    return std::to_integer<std::uint64_t>(counts[index]);
  case 4:
    return block::load_big_endian<std::uint16_t>(counts + index * 2);
  case 5:
    return block::load_big_endian<std::uint32_t>(counts + index * 4);
  case 6:
    return block::load_big_endian<std::uint64_t>(counts + index * 8);
  default: {
    unsigned width = 1u << order;
    std::size_t position = index << order;
    return (std::to_integer<std::uint64_t>(counts[position / 8]) >> (position % 8)) &
           ((1u << width) - 1);
  }
  }
}

void store_refcount(std::byte* counts, unsigned order, std::size_t index, std::uint64_t value) {
  switch (order) {
  case 3:
    counts[index] = static_cast<std::byte>(value);
    return;
  case 4:
    block::store_big_endian(counts + index * 2, static_cast<std::uint16_t>(value));
    return;
  case 5:
    block::store_big_endian(counts + index * 4, static_cast<std::uint32_t>(value));
    return;
  case 6:
    block::store_big_endian(counts + index * 8, value);
    return;
  default: {
    unsigned width = 1u << order;
    std::size_t position = index << order;
    unsigned shift = position % 8;
    auto mask = static_cast<std::uint8_t>(((1u << width) - 1) << shift);
    auto kept = std::to_integer<std::uint8_t>(counts[position / 8]) & ~mask;
    counts[position / 8] = static_cast<std::byte>(kept | ((value << shift) & mask));
  }
  }
}

// If much space at the end of a file was freed, finding the exact end is not worth more reads.
constexpr std::size_t max_looks_for_end = 256;

} // namespace

Refcounts::Refcounts(HostFile& file, std::size_t cache_bytes, const Header& header)
    : file_(file),
      cluster_size_(header.cluster_size()),
      order_(header.refcount_order),
      block_bits_(header.cluster_bits + 3 - header.refcount_order),
      max_(header.max_refcount()),
      blocks_(file, header.cluster_size().bytes(), cache_bytes, block::DebugEvent::refblock_load) {}

Result<void> Refcounts::load(const Header& header) {
  std::size_t bytes = std::size_t{header.refcount_table_clusters} << header.cluster_bits;
  Result<void> loaded = table_.load(file_, header.refcount_table_offset, bytes / table_entry_bytes);
  if (!loaded) return std::move(loaded).error().context("refcount table");
  return {};
}

bool Refcounts::names_a_cluster(std::uint64_t table_entry) const {
  return (table_entry & refcount_table_reserved_mask) == 0 &&
         cluster_size_.aligned(HostOffset(table_entry)) && table_entry < file_.end().value();
}

bool Refcounts::has_block(HostCluster cluster) const {
  std::size_t index = block_index(cluster);
  return index < table_.size() && table_[index] != 0;
}

// Trims first, so that a search over many blocks stays within the cache's limit. No caller keeps a
// pointer to a block.
Result<Table*> Refcounts::block_for(HostCluster cluster) {
  blocks_.trim();
  std::size_t index = block_index(cluster);
  HostOffset place(table_[index]);
  // A new block is in the cache before the file reaches its host offset.
  if (Table* cached = blocks_.find(place)) return cached;
  auto corrupt = [](const std::string& what) {
    return Error(ErrorKind::corrupt, what)
        .with_hint("Run 'dedup-img check -r all' on the image while nobody uses it.");
  };
  if (!names_a_cluster(table_[index]))
    return corrupt("Refcount table entry " + std::to_string(index) +
                   " does not name a cluster of the image file");
  // The missing counts would read as zeros, and their clusters would be allocated as free.
  if (place + cluster_size_.bytes() > file_.end())
    return corrupt("a refcount block is cut short by the end of the image file");
  auto refcount_block = blocks_.get(place);
  if (!refcount_block) return std::move(refcount_block).error().context("refcount block");
  return refcount_block;
}

Result<std::uint64_t> Refcounts::get(HostCluster cluster) {
  if (!has_block(cluster)) return std::uint64_t{0};
  BLOCK_TRY_ASSIGN(Table * refcount_block, block_for(cluster));
  return load_refcount(refcount_block->bytes().data(), order_, within_block(cluster));
}

Result<void> Refcounts::set(HostCluster cluster, std::uint64_t refcount) {
  BLOCK_TRY_ASSIGN(Table * refcount_block, block_for(cluster));
  std::size_t index = within_block(cluster);
  store_refcount(refcount_block->mutable_bytes(), order_, index, refcount);
  std::size_t first_byte = (index << order_) / 8;
  refcount_block->touch(first_byte, std::max<std::size_t>(1, (1u << order_) / 8));
  return {};
}

Result<std::uint64_t> Refcounts::count_free(HostCluster from, std::uint64_t at_most) {
  std::uint64_t free = 0;
  while (free < at_most) {
    HostCluster cluster = from + free;
    std::uint64_t in_block = clusters_per_block() - within_block(cluster);
    std::uint64_t looking = std::min(in_block, at_most - free);
    if (!has_block(cluster)) {
      free += looking;
      continue;
    }
    BLOCK_TRY_ASSIGN(Table * refcount_block, block_for(cluster));
    const std::byte* counts = refcount_block->bytes().data();
    std::size_t index = within_block(cluster);
    for (std::uint64_t i = 0; i < looking; ++i, ++free)
      if (load_refcount(counts, order_, index + i) != 0) return free;
  }
  return free;
}

Result<std::uint64_t> Refcounts::count_used(HostCluster from, std::uint64_t at_most) {
  std::uint64_t used = 0;
  while (used < at_most && has_block(from + used)) {
    BLOCK_TRY_ASSIGN(Table * refcount_block, block_for(from + used));
    const std::byte* counts = refcount_block->bytes().data();
    for (std::size_t index = within_block(from + used);
         index < clusters_per_block() && used < at_most; ++index, ++used)
      if (load_refcount(counts, order_, index) == 0) return used;
  }
  return used;
}

Result<HostCluster> Refcounts::find_free(HostCluster from, std::uint64_t clusters) {
  HostCluster candidate = from;
  while (true) {
    BLOCK_TRY_ASSIGN(std::uint64_t free, count_free(candidate, clusters));
    if (free == clusters) return candidate;
    candidate += free;
    BLOCK_TRY_ASSIGN(std::uint64_t used, count_used(candidate, UINT64_MAX));
    candidate += used;
  }
}

Result<HostCluster> Refcounts::used_end() {
  std::size_t looks = 0;
  for (std::size_t index = table_.size(); index-- > 0;) {
    if (table_[index] == 0) continue;
    HostCluster first(index << block_bits_);
    if (++looks > max_looks_for_end) return first + clusters_per_block();
    BLOCK_TRY_ASSIGN(Table * refcount_block, block_for(first));
    for (std::uint64_t within = clusters_per_block(); within-- > 0;)
      if (load_refcount(refcount_block->bytes().data(), order_, within) != 0)
        return first + (within + 1);
  }
  return HostCluster(0);
}

void Refcounts::install_block(HostCluster cluster, HostOffset place) {
  table_.set(block_index(cluster), place.value());
  blocks_.create(place);
}

void Refcounts::remove_block(HostCluster cluster) {
  std::size_t index = block_index(cluster);
  blocks_.forget(HostOffset(table_[index]));
  table_.set(index, 0);
}

std::vector<HostOffset> Refcounts::block_places() const {
  std::vector<HostOffset> places;
  for (std::uint64_t offset : table_.entries())
    if (offset != 0 && names_a_cluster(offset)) places.push_back(HostOffset(offset));
  return places;
}

} // namespace qcow2
