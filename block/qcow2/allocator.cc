// Allocation: the lowest free clusters first. Refcount blocks and the refcount table grow as
// needed.
#include "block/qcow2/allocator.h"

#include <algorithm>

namespace qcow2 {

using block::DebugEvent;

Allocator::Allocator(HostFile& file, Refcounts& refcounts, ClusterSize cluster_size,
                     StoreTable store_table, ReturnedSpace returned)
    : file_(file),
      refcounts_(refcounts),
      cluster_size_(cluster_size),
      store_table_(std::move(store_table)),
      returned_(returned) {}

Result<HostCluster> Allocator::allocate(std::uint64_t clusters) {
  file_.event(DebugEvent::cluster_alloc);
  HostCluster& cursor = clusters == 1 ? single_cursor_ : multi_cursor_;
  while (true) {
    BLOCK_TRY_ASSIGN(HostCluster first, find_free(cursor, clusters));
    if (first.value() + clusters > max_host_offset >> cluster_size_.bits())
      return Error(ErrorKind::no_space, "the image file cannot grow beyond 64 PiB");
    BLOCK_TRY_ASSIGN(bool counted, ensure_blocks(first, clusters));
    if (!counted) continue; // the table was moved: it may hold clusters that were free before
    BLOCK_TRY(reserve(first, clusters));
    cursor = first + clusters;
    return first;
  }
}

Result<HostCluster> Allocator::find_free(HostCluster from, std::uint64_t clusters) {
  while (true) {
    BLOCK_TRY_ASSIGN(HostCluster first, refcounts_.find_free(from, clusters));
    BLOCK_TRY(refuse_metadata(first, clusters));
    std::optional<HostRun> held = freed_space_.held_in(first, clusters);
    if (!held) return first;
    from = held->first + held->clusters;
  }
}

Result<void> Allocator::refuse_metadata(HostCluster first, std::uint64_t clusters) const {
  if (!metadata_.contains_any(first, clusters)) return {};
  return Error(ErrorKind::corrupt, "the refcounts call a cluster free that holds metadata, near "
                                   "host cluster " +
                                       std::to_string(first.value()))
      .with_hint("Run 'dedup-img check -r all' on the image while nobody uses it.");
}

Result<HostCluster> Allocator::allocate_metadata(std::uint64_t clusters) {
  BLOCK_TRY_ASSIGN(HostCluster first, allocate(clusters));
  metadata_.add(first, clusters);
  return first;
}

Result<void> Allocator::check_data_place(HostCluster cluster) const {
  if (!metadata_.contains(cluster)) return {};
  return Error(ErrorKind::corrupt, "an L2 entry names host cluster " +
                                       std::to_string(cluster.value()) + ", which holds metadata")
      .with_hint("Run 'dedup-img check' on the image.");
}

Result<Allocator::Run> Allocator::allocate_up_to(std::uint64_t clusters) {
  // Smaller holes are left to single clusters: they would split a request into many small writes.
  constexpr std::uint64_t worthwhile = 16;
  std::uint64_t least = std::min(clusters, worthwhile);
  BLOCK_TRY_ASSIGN(HostCluster first, allocate(least));
  BLOCK_TRY_ASSIGN(std::uint64_t more, refcounts_.count_free(first + least, clusters - least));
  // Not beyond the clusters that blocks count now: the next block is allocated there.
  while (more > 0 && !refcounts_.has_block(first + (least + more - 1)))
    --more;
  if (std::optional<HostRun> held = freed_space_.held_in(first + least, more))
    more = held->first - (first + least);
  while (more > 0 && metadata_.contains_any(first + least, more))
    --more;
  BLOCK_TRY(reserve(first + least, more));
  if (least + more > 1) multi_cursor_ = first + (least + more);
  return Run{first, least + more};
}

Result<void> Allocator::reserve(HostCluster first, std::uint64_t clusters) {
  lately_freed_.remove(first, clusters);
  aging_.remove(first, clusters);
  freed_space_.remove(first, clusters);
  for (std::uint64_t i = 0; i < clusters; ++i)
    BLOCK_TRY(refcounts_.set(first + i, 1));
  if (on_allocated_) on_allocated_(first, clusters);
  return {};
}

// Allocates blocks for clusters that no block counts yet. They are placed directly after the run,
// so that the run itself stays contiguous. The blocks may need blocks that count them. Each block
// counts at least 64 clusters, so the loop ends soon.
Result<bool> Allocator::ensure_blocks(HostCluster first, std::uint64_t clusters) {
  std::vector<HostCluster> missing = uncounted(first, clusters);
  if (missing.empty()) return true;
  file_.event(DebugEvent::refblock_alloc);
  HostCluster place;
  std::size_t found = 0;
  while (found < missing.size()) {
    found = missing.size();
    BLOCK_TRY_ASSIGN(place, find_free(first + clusters, found));
    missing = uncounted(first, clusters);
    for (HostCluster cluster : uncounted(place, found))
      if (missing.empty() || !refcounts_.same_block(missing.back(), cluster))
        missing.push_back(cluster);
  }
  HostCluster end = std::max(first + clusters, place + found);
  if (end.value() > refcounts_.capacity()) {
    BLOCK_TRY(grow_table(end.value()));
    return false;
  }
  for (std::size_t i = 0; i < missing.size(); ++i)
    refcounts_.install_block(missing[i], cluster_size_.start(place + i));
  Result<void> stored = reserve(place, missing.size());
  // The block is valid in the file before anything can point to it. Its counts follow with the next
  // write-back.
  for (std::size_t i = 0; stored && i < missing.size(); ++i) {
    HostOffset offset = cluster_size_.start(place + i);
    file_.event(DebugEvent::refblock_alloc_write);
    stored = file_.write(offset, refcounts_.blocks().find(offset)->bytes());
  }
  if (stored) {
    metadata_.add(place, missing.size());
    return true;
  }
  // A block that remained without counting itself would be allocated as free. Counts of its
  // clusters in other blocks are at worst a leak.
  (void)release_unused(place, missing.size()).ok();
  for (HostCluster cluster : missing)
    refcounts_.remove_block(cluster);
  return std::move(stored).error().context("new refcount block");
}

// Returns the first cluster of each part of the range that no refcount block counts.
std::vector<HostCluster> Allocator::uncounted(HostCluster first, std::uint64_t clusters) const {
  std::vector<HostCluster> missing;
  std::uint64_t per_block = refcounts_.clusters_per_block();
  for (HostCluster cluster = first; cluster < first + clusters;
       cluster += per_block - cluster.value() % per_block)
    if (!refcounts_.has_block(cluster)) missing.push_back(cluster);
  return missing;
}

// Allocates a table for at least twice the clusters. The table and the blocks that count it are
// placed after everything that the present table counts.
Result<void> Allocator::grow_table(std::uint64_t min_clusters) {
  std::uint64_t per_block = refcounts_.clusters_per_block();
  std::uint64_t entries_per_cluster = cluster_size_.bytes() / table_entry_bytes;
  std::size_t old_entries = refcounts_.table().size();
  HostOffset old_offset = refcounts_.table().place();
  HostCluster base(
      std::max(refcounts_.capacity(), (kept_end_.value() + per_block - 1) / per_block * per_block));

  std::uint64_t blocks = 1, table_clusters = 0;
  while (true) {
    std::uint64_t entries = std::max<std::uint64_t>(
        {old_entries * 2, min_clusters / per_block + 1, base.value() / per_block + blocks});
    table_clusters = (entries + entries_per_cluster - 1) / entries_per_cluster;
    std::uint64_t needed = (blocks + table_clusters + per_block - 1) / per_block;
    if (needed <= blocks) break;
    blocks = needed;
  }
  if (table_clusters << cluster_size_.bits() > max_refcount_table_bytes)
    return Error(ErrorKind::no_space,
                 "the image file cannot grow further with this cluster size: its refcount table "
                 "has its largest size");

  BLOCK_TRY(refuse_metadata(base, blocks + table_clusters));
  HostOffset place = cluster_size_.start(base + blocks);
  refcounts_.table().install(table_clusters * entries_per_cluster, place);
  for (std::uint64_t i = 0; i < blocks; ++i)
    refcounts_.install_block(base + i * per_block, cluster_size_.start(base + i));
  Result<void> stored = reserve(base, blocks + table_clusters);
  if (stored) stored = store_grown_table(base, blocks);
  if (!stored) {
    for (std::uint64_t i = 0; i < blocks; ++i)
      refcounts_.blocks().forget(cluster_size_.start(base + i));
    refcounts_.table().reinstall(old_entries, old_offset);
    return std::move(stored).error().context("growing the refcount table");
  }
  metadata_.add(base, blocks + table_clusters);
  return drop_references(cluster_size_.containing(old_offset),
                         cluster_size_.clusters_for(old_entries * table_entry_bytes));
}

// Stores the table and its blocks first, in any order, because nothing refers to them yet. Then it
// stores the header that names the table. All of it happens with the metadata lock held: it is
// needed only a few times in the life of an image, and no allocation may happen meanwhile.
Result<void> Allocator::store_grown_table(HostCluster first_block, std::uint64_t blocks) {
  for (std::uint64_t i = 0; i < blocks; ++i) {
    HostOffset offset = cluster_size_.start(first_block + i);
    file_.event(DebugEvent::refblock_alloc_write_blocks);
    BLOCK_TRY(file_.write(offset, refcounts_.blocks().find(offset)->bytes()));
  }
  const PointerTable& table = refcounts_.table();
  file_.event(DebugEvent::refblock_alloc_write_table);
  BLOCK_TRY(file_.write(table.place(), table.encode(table.bytes())));
  BLOCK_TRY(file_.barrier());
  file_.event(DebugEvent::refblock_alloc_switch_table);
  return store_table_(table.place(),
                      static_cast<std::uint32_t>(table.bytes() >> cluster_size_.bits()));
}

Result<void> Allocator::release_unused(HostCluster first, std::uint64_t clusters) {
  for (std::uint64_t i = 0; i < clusters; ++i) {
    BLOCK_TRY(refcounts_.set(first + i, 0));
    note_free(first + i);
    metadata_.remove(first + i);
  }
  return {};
}

std::uint64_t Allocator::noted(HostCluster cluster) const {
  std::uint64_t count = 0;
  if (auto found = dropped_.find(cluster); found != dropped_.end()) count += found->second.count;
  if (auto found = being_dropped_.find(cluster); found != being_dropped_.end())
    count += found->second.count;
  return count;
}

Result<std::uint64_t> Allocator::references(HostCluster cluster) {
  BLOCK_TRY_ASSIGN(std::uint64_t stored, refcounts_.get(cluster));
  std::uint64_t gone = noted(cluster);
  // At least two: the caller's, and one that was not counted.
  if (may_have_unknown_owners(cluster))
    return std::max<std::uint64_t>(2, stored + 1 - std::min(gone, stored));
  return stored > gone ? stored - gone : 0;
}

Result<bool> Allocator::can_add_reference(HostCluster cluster, std::uint64_t limit) {
  BLOCK_TRY_ASSIGN(std::uint64_t stored, refcounts_.get(cluster));
  return stored < std::min(limit, refcounts_.max());
}

Result<void> Allocator::add_reference(HostCluster cluster) {
  BLOCK_TRY_ASSIGN(std::uint64_t stored, refcounts_.get(cluster));
  return refcounts_.set(cluster, stored + 1);
}

Result<std::uint64_t> Allocator::drop_reference(HostCluster cluster) {
  BLOCK_TRY_ASSIGN(std::uint64_t left, references(cluster));
  if (left == 0)
    return Error(ErrorKind::corrupt, "host cluster " + std::to_string(cluster.value()) +
                                         " is in use but its refcount is 0")
        .with_hint("Run 'dedup-img check -r all' on the image while nobody uses it.");
  note_dropped(cluster, left - 1, DropCause::other);
  return left - 1;
}

void Allocator::note_dropped(HostCluster cluster, std::uint64_t left, DropCause cause) {
  const bool by_request = cause == DropCause::request;
  dropped_[cluster].add({1, by_request ? returned_.of_requests : returned_.of_others, by_request});
  if (left == 1 && !may_have_unknown_owners(cluster)) single_owners_.add(cluster, 1);
}

Result<void> Allocator::drop_references(HostCluster first, std::uint64_t clusters) {
  for (std::uint64_t i = 0; i < clusters; ++i)
    BLOCK_TRY(drop_reference(first + i));
  return {};
}

void Allocator::keep_all_below(HostCluster end) {
  kept_end_ = end;
  single_cursor_ = multi_cursor_ = end;
}

void Allocator::note_free(HostCluster cluster) {
  single_cursor_ = std::min(single_cursor_, cluster);
  multi_cursor_ = std::min(multi_cursor_, cluster);
}

void Allocator::begin_drop() {
  being_dropped_.swap(dropped_);
}

Result<void> Allocator::end_drop(bool durable) {
  DroppedReferences taken;
  taken.swap(being_dropped_);
  if (durable && !taken.empty()) file_.event(DebugEvent::cluster_free);
  Result<void> first_error;
  for (const auto& [cluster, dropped] : taken) {
    Result<void> lowered;
    if (durable) lowered = lower(cluster, dropped);
    if (!durable || !lowered) dropped_[cluster].add(dropped); // noted for the next write-back
    if (first_error) first_error = std::move(lowered);
  }
  return first_error;
}

Result<void> Allocator::lower(HostCluster cluster, const Dropped& dropped) {
  if (may_have_unknown_owners(cluster)) return {};
  BLOCK_TRY_ASSIGN(std::uint64_t stored, refcounts_.get(cluster));
  std::uint64_t left = stored > dropped.count ? stored - dropped.count : 0;
  BLOCK_TRY(refcounts_.set(cluster, left));
  if (left > 0) return {};
  note_free(cluster);
  metadata_.remove(cluster);
  single_owners_.remove(cluster);
  if (dropped.returns_space) (dropped.by_request ? freed_space_ : lately_freed_).add(cluster);
  return {};
}

void Allocator::release_punched() {
  // The cursors may have passed the held clusters.
  if (std::optional<HostCluster> first = freed_space_.release_held()) note_free(*first);
}

} // namespace qcow2
