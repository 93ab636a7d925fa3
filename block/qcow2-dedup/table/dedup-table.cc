// DedupTable: lookups, waiting changes, and growth.
#include "block/qcow2-dedup/table/dedup-table.h"

#include <algorithm>

namespace qcow2_dedup {

using block::Error;
using block::ErrorKind;
using qcow2::PointerTable;
using qcow2::Table;
using qcow2::table_entry_bytes;
using qcow2::TableWrite;

namespace {

// Entries of 56 bytes, with spare capacity at most twice that; this many take about as much memory
// as 25 hash blocks.
constexpr std::size_t max_waiting = 16 * 1024;
// Sets of about 250 bytes. This many hash blocks hold the entries of 25 GiB in clusters of 4 KiB.
constexpr std::size_t max_blocks_forgotten_in = 4096;
// Entries that are cleared under one hold of the metadata lock, which takes some milliseconds.
// Reading a hash block takes as long as clearing `cost_of_a_block` entries.
constexpr std::size_t max_cleared_at_once = 16 * 1024;
constexpr std::size_t cost_of_a_block = 256;

HashBlock mutable_block(Table& table) {
  return HashBlock(table.mutable_bytes(), hash_block_bytes);
}
ConstHashBlock const_block(const Table& table) {
  return ConstHashBlock(table.bytes().data(), hash_block_bytes);
}

void store(Table& table, HostCluster cluster, const Entry& entry) {
  std::size_t slot = slot_of(cluster);
  store_entry(mutable_block(table), slot, entry);
  table.touch(slot * entry_bytes, entry_bytes);
}

} // namespace

DedupTable::DedupTable(qcow2::HostFile& file, block::ClusterSize cluster_size,
                       std::uint64_t cache_bytes, dedup::Counters& counters, OnReplaced on_replaced,
                       OnLost on_lost)
    : file_(file),
      cluster_size_(cluster_size),
      counters_(counters),
      on_replaced_(std::move(on_replaced)),
      on_lost_(std::move(on_lost)),
      blocks_(file, hash_block_bytes, cache_bytes, block::DebugEvent::dedup_block_load) {}

Result<void> DedupTable::load(const Extension& extension) {
  Result<void> loaded = load_l1(extension);
  if (!loaded) abandon();
  return loaded;
}

void DedupTable::abandon() {
  for (std::uint64_t place : l1_.entries())
    if (place != 0) blocks_.forget(HostOffset(place));
  l1_ = PointerTable();
}

Result<void> DedupTable::load_l1(const Extension& extension) {
  const HostOffset l1_place = extension.table_offset;
  if (l1_place == HostOffset() || extension.table_entries == 0) return {};
  std::uint64_t bytes = std::uint64_t{extension.table_entries} * table_entry_bytes;
  if (l1_place >= file_.end() || bytes > file_.end() - l1_place)
    return Error(ErrorKind::corrupt, "the dedup table lies outside the image file");
  BLOCK_TRY(l1_.load(file_, l1_place, extension.table_entries));
  for (std::size_t i = 0; i < l1_.size(); ++i) {
    HostOffset place(l1_[i]);
    bool aligned = l1_[i] % std::min<std::uint64_t>(cluster_size_.bytes(), hash_block_bytes) == 0;
    // Blocks that share a cluster are in it in the order of the table, so no cluster is named
    // twice.
    std::size_t first = i / blocks_per_cluster() * blocks_per_cluster();
    bool in_order =
        l1_[i] == 0 || (l1_[first] != 0 && l1_[i] == l1_[first] + (i - first) * hash_block_bytes &&
                        cluster_size_.aligned(HostOffset(l1_[first])));
    if (!aligned || !in_order || (l1_[i] != 0 && place >= file_.end()))
      return Error(ErrorKind::corrupt, "dedup table entry " + std::to_string(i) +
                                           " does not name a place within the image file");
  }
  return {};
}

bool DedupTable::is_waiting(HostCluster cluster) const {
  return waiting_.find(cluster) != nullptr || forgotten_.contains(cluster);
}

bool DedupTable::has_block(std::uint64_t index) const {
  return index < l1_.size() && l1_[index] != 0;
}

Table* DedupTable::cached_block(std::uint64_t index) {
  return blocks_.find(HostOffset(l1_[index]));
}

Table* DedupTable::look_up(std::uint64_t index) {
  Table* cached = cached_block(index);
  if (cached) counters_.cache_hits.add();
  return cached;
}

Table* DedupTable::block_for(std::uint64_t index) {
  if (!has_block(index)) return nullptr;
  // No caller keeps a pointer to a hash block.
  blocks_.trim();
  if (Table* cached = look_up(index)) return cached;
  counters_.cache_misses.add();
  return read_block(index);
}

// If a block cannot be read, an empty block is written over it. That repairs a bad sector of most
// disks, and prevents old entries from becoming readable again. If a block can be read and is no
// hash block, its pointer may be wrong and its content may be guest data: the block is given up,
// and not overwritten.
Table* DedupTable::read_block(std::uint64_t index) {
  HostOffset place(l1_[index]);
  Result<Table*> read = blocks_.get(place);
  if (!read) {
    on_lost_(index, read.error());
    blocks_.forget(place);
    return blocks_.create(place);
  }
  Result<void> sound = check_block_end(const_block(**read));
  if (sound) return *read;
  lose_block(place, sound.error());
  return nullptr;
}

// Validates only the form. The owner in the entry is confirmed when it is used.
Entry DedupTable::sound_entry(const Table& hash_block, HostCluster cluster) const {
  Entry entry = load_entry(const_block(hash_block), slot_of(cluster));
  if (entry.first_owner && !cluster_size_.aligned(*entry.first_owner)) return Entry{};
  return entry;
}

Entry DedupTable::get(HostCluster cluster) {
  if (const Entry* entry = waiting_.find(cluster)) return *entry;
  if (forgotten_.contains(cluster)) return Entry{};
  const Table* table = block_for(block_index_of(cluster));
  return table ? sound_entry(*table, cluster) : Entry{};
}

std::optional<Entry> DedupTable::peek(HostCluster cluster) {
  if (const Entry* entry = waiting_.find(cluster)) return *entry;
  if (forgotten_.contains(cluster)) return Entry{};
  if (!has_block(block_index_of(cluster))) return Entry{};
  const Table* cached = look_up(block_index_of(cluster));
  if (!cached) return std::nullopt;
  return sound_entry(*cached, cluster);
}

std::optional<Entry> DedupTable::replace(HostCluster cluster, const Entry& entry) {
  if (std::optional<Entry> former = waiting_.replace(cluster, entry)) return former;
  bool forgotten = forgotten_.contains(cluster);
  if (entry.empty() && (forgotten || !has_block(block_index_of(cluster)))) return Entry{};
  if (Table* cached =
          has_block(block_index_of(cluster)) ? cached_block(block_index_of(cluster)) : nullptr) {
    if (forgotten_.remove(cluster)) clear(*cached, cluster);
    Entry former = load_entry(const_block(*cached), slot_of(cluster));
    if (!(former == entry)) store(*cached, cluster, entry);
    return former;
  }
  if (entry.empty()) {
    forgotten_.add(cluster);
    return std::nullopt;
  }
  forgotten_.remove(cluster); // the entry in the file is read when this one is merged
  waiting_.add(cluster, entry);
  return forgotten ? std::optional(Entry{}) : std::nullopt;
}

bool DedupTable::forget_later(HostCluster cluster) {
  if (waiting_.find(cluster)) return false;
  if (has_block(block_index_of(cluster))) forgotten_.add(cluster);
  return true;
}

// Most allocations are beyond the last hash block, or their hash block is in memory and has no
// entry for them. The only change that may wait for a free cluster is an empty entry.
void DedupTable::clear_free(HostCluster first, std::uint64_t clusters) {
  const HostCluster end = first + clusters;
  for (HostCluster cluster = first; cluster < end;) {
    std::uint64_t index = block_index_of(cluster);
    if (index >= l1_.size()) return;
    HostCluster block_end = std::min(end, cluster_at(index + 1, 0));
    Table* cached = l1_[index] != 0 ? cached_block(index) : nullptr;
    for (; l1_[index] != 0 && cluster < block_end; ++cluster) {
      if (cached)
        clear(*cached, cluster);
      else
        forget_later(cluster);
    }
    cluster = block_end;
  }
}

void DedupTable::clear(Table& hash_block, HostCluster cluster) {
  Entry former = load_entry(const_block(hash_block), slot_of(cluster));
  if (former.empty()) return;
  on_replaced_(cluster, former.fingerprint);
  store(hash_block, cluster, Entry{});
}

void DedupTable::clear_forgotten() {
  std::size_t cleared = 0;
  for (auto at = forgotten_.by_block().begin();
       at != forgotten_.by_block().end() && cleared < max_cleared_at_once;) {
    const auto& [index, slots] = *at;
    if (has_block(index) && blocks_.wants_write_back() && !cached_block(index)) { // no room
      ++at;
      continue;
    }
    Table* hash_block = block_for(index);
    for (std::size_t slot = 0; hash_block && slot < entries_per_block; ++slot)
      if (slots[slot]) clear(*hash_block, cluster_at(index, slot));
    cleared += cost_of_a_block + slots.count();
    at = forgotten_.remove_block(at);
  }
}

std::size_t DedupTable::waiting_changes() const {
  return waiting_.size() + forgotten_.by_block().size();
}

Result<void> DedupTable::merge_waiting(qcow2::Allocator& allocator, const StorePlace& store_place) {
  clear_forgotten();
  for (auto at = waiting_.by_block().begin(); at != waiting_.by_block().end();) {
    const auto& [index, entries] = *at;
    bool may_be_known = has_block(index);
    bool has_room = !blocks_.wants_write_back() || (may_be_known && cached_block(index));
    Result<void> merged;
    if (has_room) merged = merge(index, entries, allocator, store_place);
    if (!merged && merged.error().kind() == ErrorKind::corrupt) return merged;
    if (has_room && (merged || !may_be_known))
      at = waiting_.remove_block(at);
    else
      ++at;
  }
  return {};
}

Result<void> DedupTable::merge(std::uint64_t index, const WaitingEntries::OfBlock& entries,
                               qcow2::Allocator& allocator, const StorePlace& store_place) {
  BLOCK_TRY_ASSIGN(Table * hash_block, block_for_writing(index, allocator, store_place));
  for (const auto& [slot, entry] : entries) {
    HostCluster cluster = cluster_at(index, slot);
    Entry former = load_entry(const_block(*hash_block), slot);
    if (!former.empty() && !(former.fingerprint == entry.fingerprint))
      on_replaced_(cluster, former.fingerprint);
    if (!(former == entry)) store(*hash_block, cluster, entry);
  }
  return {};
}

Result<Table*> DedupTable::block_for_writing(std::uint64_t index, qcow2::Allocator& allocator,
                                             const StorePlace& store_place) {
  if (index >= l1_.size()) BLOCK_TRY(grow(index + 1, allocator, store_place));
  blocks_.trim();
  if (l1_[index] != 0) {
    if (Table* cached = cached_block(index)) return cached;
    if (Table* hash_block = read_block(index)) return hash_block;
  }
  BLOCK_TRY(allocate_blocks(index, allocator));
  return cached_block(index);
}

std::uint64_t DedupTable::blocks_per_cluster() const {
  return std::max<std::uint64_t>(1, cluster_size_.bytes() / hash_block_bytes);
}

// Allocates one hash block, or all those that share its cluster. So the L1 alone shows the use of a
// cluster.
Result<void> DedupTable::allocate_blocks(std::uint64_t index, qcow2::Allocator& allocator) {
  std::uint64_t clusters = std::max<std::uint64_t>(1, hash_block_bytes / cluster_size_.bytes());
  BLOCK_TRY_ASSIGN(HostCluster place, allocator.allocate_metadata(clusters));
  // If the host has no space for the cluster, this write fails. Only hashes are lost then.
  const std::vector<std::byte> empty(clusters << cluster_size_.bits());
  Result<void> stored = file_.write(cluster_size_.start(place), std::span<const std::byte>(empty));
  if (!stored) {
    BLOCK_TRY(allocator.release_unused(place, clusters));
    return stored;
  }
  std::uint64_t group = blocks_per_cluster();
  std::uint64_t first = index / group * group;
  for (std::uint64_t i = 0; i < group && first + i < l1_.size(); ++i) {
    HostOffset offset = cluster_size_.start(place) + i * hash_block_bytes;
    l1_.set(first + i, offset.value());
    blocks_.create(offset);
  }
  return {};
}

// Writes a larger L1 to new clusters first, then the header that names it. The old clusters are
// freed after that.
Result<void> DedupTable::grow(std::uint64_t min_entries, qcow2::Allocator& allocator,
                              const StorePlace& store_place) {
  std::uint64_t per_cluster = cluster_size_.bytes() / table_entry_bytes;
  std::uint64_t wanted = std::max<std::uint64_t>(min_entries, l1_.size() * 2);
  std::uint64_t clusters = (wanted + per_cluster - 1) / per_cluster;
  std::uint64_t entries = std::min<std::uint64_t>(clusters * per_cluster, max_table_entries);
  if (min_entries > max_table_entries)
    return Error(ErrorKind::no_space, "the dedup table has its largest size");
  BLOCK_TRY_ASSIGN(HostCluster place, allocator.allocate_metadata(clusters));
  HostOffset offset = cluster_size_.start(place);
  Result<void> stored = file_.write(offset, l1_.encode(clusters << cluster_size_.bits()));
  if (stored) stored = file_.barrier();
  if (stored) stored = store_place(offset, static_cast<std::uint32_t>(entries));
  if (!stored) {
    BLOCK_TRY(allocator.release_unused(place, clusters));
    return stored;
  }
  HostOffset old_offset = l1_.place();
  std::uint64_t old_bytes = l1_.bytes();
  l1_.install(entries, offset);
  if (old_bytes == 0) return {};
  return allocator.drop_references(cluster_size_.containing(old_offset),
                                   cluster_size_.clusters_for(old_bytes));
}

bool DedupTable::wants_write_back() const {
  return blocks_.wants_write_back() || waiting_.size() >= max_waiting ||
         forgotten_.by_block().size() >= max_blocks_forgotten_in;
}

std::vector<TableWrite> DedupTable::begin_write_back() {
  std::vector<TableWrite> writes = blocks_.begin_write_back();
  std::ranges::move(l1_.begin_write_back(), std::back_inserter(writes));
  return writes;
}

void DedupTable::end_write_back(const std::vector<TableWrite>& writes, bool written) {
  blocks_.end_write_back(writes, written);
  l1_.end_write_back(writes, written);
  blocks_.trim();
}

// All blocks that share its cluster are given up with it, because a cluster always holds all of its
// blocks.
void DedupTable::lose_block(HostOffset place, const Error& why) {
  const std::span<const std::uint64_t> blocks = l1_.entries();
  auto found = std::ranges::find(blocks, place.value());
  if (found == blocks.end()) return; // the table was moved
  std::uint64_t index = static_cast<std::uint64_t>(found - blocks.begin());
  on_lost_(index, why);
  std::uint64_t first = index / blocks_per_cluster() * blocks_per_cluster();
  std::uint64_t end = std::min<std::uint64_t>(first + blocks_per_cluster(), l1_.size());
  for (std::uint64_t i = first; i < end; ++i) {
    blocks_.forget(HostOffset(l1_[i]));
    l1_.set(i, 0);
  }
}

std::vector<DedupTable::Place> DedupTable::places() const {
  std::vector<Place> all;
  if (l1_.empty()) return all;
  all.push_back({l1_.place(), l1_.bytes()});
  for (std::size_t i = 0; i < l1_.size(); ++i) {
    if (l1_[i] == 0) continue;
    HostOffset offset(l1_[i]);
    // load() has checked that the other blocks of a cluster follow the first one.
    bool shared = i % blocks_per_cluster() != 0;
    if (shared) continue;
    // Neighbours form one piece: a large table has a million blocks, most of them in order.
    Place& last = all.back();
    if (offset == last.offset + last.bytes && cluster_size_.aligned(offset))
      last.bytes += hash_block_bytes;
    else
      all.push_back({offset, hash_block_bytes});
  }
  return all;
}

std::uint64_t DedupTable::clusters() const {
  std::uint64_t count = 0;
  for (const Place& place : places())
    count += cluster_size_.clusters_for(place.bytes);
  return count;
}

} // namespace qcow2_dedup
