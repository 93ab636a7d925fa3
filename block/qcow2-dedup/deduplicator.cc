// Deduplicator: sharing clusters, recording and removing fingerprints, and the status in the
// header.
#include "block/qcow2-dedup/deduplicator.h"

#include "block/qcow2-dedup/table/data-figures.h"
#include "block/qcow2-dedup/table/stored-header.h"
#include "block/qcow2-dedup/table/witness.h"

#include <algorithm>

namespace qcow2_dedup {

using block::MutexGuard;
using dedup::Fingerprint;

namespace {

// The file may have recorded too small a number.
void count_down(std::uint64_t& clusters) {
  if (clusters > 0) --clusters;
}

} // namespace

Deduplicator::Deduplicator(qcow2::Disk& deduplicated, Extension extension, dedup::Hasher hasher,
                           DedupSettings settings, bool trusted, OnLoss on_loss)
    : disk(deduplicated),
      hasher_(hasher),
      settings_(settings),
      trusted_(trusted),
      on_loss_(std::move(on_loss)),
      max_shared_refcount_(std::max<std::uint64_t>(1, disk.image.max_refcount() / 2 + 1)),
      paused_(!extension.has(dedup_running)),
      extension_(extension),
      scan_mark_(extension.scan_mark()),
      index_(dedup::make_tree_index(settings.index_bytes ? settings.index_bytes : UINT64_MAX)),
      table_(
          disk.image.file(), disk.image.cluster_size(), settings.cache_bytes, counters_,
          [this](HostOffset offset, std::uint32_t entries) {
            disk.image.metadata_mutex.assert_held(); // every change of the table requires it
            Extension former = extension_;
            extension_.table_offset = offset;
            extension_.table_entries = entries;
            enter_extension(disk.image.header(), extension_);
            Result<void> stored = disk.image.store_header();
            if (stored) return stored;
            // The new clusters are freed again, so no later header may name them.
            extension_ = former;
            enter_extension(disk.image.header(), extension_);
            return stored;
          },
          [this](HostCluster cluster, const Fingerprint& fingerprint) {
            disk.image.metadata_mutex.assert_held();
            fingerprint_removed(cluster, fingerprint);
          },
          [this](std::uint64_t index, const block::Error& why) {
            disk.image.metadata_mutex.assert_held();
            tell_of_loss("hash block " + std::to_string(index), why);
          }) {}

bool Deduplicator::load() {
  MutexGuard hold(disk.image.metadata_mutex);
  Result<void> loaded = table_.load(extension_);
  if (loaded) loaded = enter_table();
  if (!loaded) abandon_table(loaded.error());
  return loaded.ok();
}

// Enters all of the table or nothing: entered clusters never take guest data again.
Result<void> Deduplicator::enter_table() {
  std::vector<DedupTable::Place> entered;
  for (const DedupTable::Place& place : table_.places()) {
    Result<void> done = disk.image.enter_metadata(place.offset, place.bytes);
    if (done) {
      entered.push_back(place);
      continue;
    }
    block::ClusterSize size = disk.image.cluster_size();
    for (const DedupTable::Place& back : entered)
      for (std::uint64_t i = 0; i < size.clusters_for(back.bytes); ++i)
        disk.image.allocator().metadata().remove(size.containing(back.offset) + i);
    return done;
  }
  return {};
}

// The header in the file names the old table until the next change of the image. That change marks
// the table in use, so it is not trusted.
void Deduplicator::abandon_table(const block::Error& why) {
  table_.abandon();
  extension_.table_offset = HostOffset();
  extension_.table_entries = 0;
  enter_extension(disk.image.header(), extension_);
  tell_of_loss("the table", why);
}

void Deduplicator::tell_of_loss(const std::string& what, const block::Error& why) {
  if (std::exchange(told_of_loss_, true)) return;
  on_loss_("deduplication: " + what +
           " is lost, so less is shared; no data is lost: " + why.message());
}

std::optional<block::DataFigures> Deduplicator::data_figures() {
  MutexGuard hold(disk.image.metadata_mutex);
  if (!extension_.data) return std::nullopt;
  block::ClusterSize size = disk.image.cluster_size();
  return qcow2_dedup::data_figures(*extension_.data, size,
                                   size.clusters_for(disk.image.file().end().value()),
                                   disk.image.metadata_clusters() + table_.clusters());
}

block::DedupInfo Deduplicator::info() {
  block::DedupInfo info;
  info.data = data_figures();
  counters_.fill(info);
  info.algorithm = dedup::name_of(hasher_.algorithm());
  info.verify = settings_.verify || hasher_.collides();
  info.table_trusted = trusted_;
  info.cluster_size = disk.image.cluster_size().bytes();
  MutexGuard hold(disk.image.metadata_mutex);
  info.cache_bytes = table_.cache_bytes();
  info.index_entries = index_->entries();
  info.index_bytes = index_->memory_bytes();
  info.index_limit = settings_.index_bytes;
  return info;
}

bool Deduplicator::status_is_stored() {
  MutexGuard hold(disk.image.metadata_mutex);
  return extension_ == with_status(scan_mark_);
}

Extension Deduplicator::with_status(std::optional<std::uint64_t> scan_mark) const {
  Extension extension = extension_;
  extension.set(dedup_running, !paused());
  extension.set_scan_mark(scan_mark);
  return extension;
}

Extension Deduplicator::extension(std::optional<std::uint64_t> scan_mark) {
  MutexGuard hold(disk.image.metadata_mutex);
  return with_status(scan_mark);
}

void Deduplicator::set_scan_mark(std::optional<std::uint64_t> position) {
  MutexGuard hold(disk.image.metadata_mutex);
  scan_mark_ = position;
}

bool Deduplicator::holds(HostCluster cluster, dedup::Lookups::Lookup content) {
  const Fingerprint& fingerprint = content.fingerprint();
  if (std::optional<Entry> known = table_.peek(cluster)) return known->fingerprint == fingerprint;
  // The index is searched before the file: it answers most lookups without reading a hash block.
  const dedup::Candidates& candidates = content.candidates();
  if (std::find(candidates.begin(), candidates.end(), cluster) == candidates.end()) return false;
  return table_.get(cluster).fingerprint == fingerprint;
}

Result<std::optional<HostCluster>> Deduplicator::share(dedup::Lookups::Lookup content,
                                                       std::optional<HostCluster> likely) {
  const Fingerprint& fingerprint = content.fingerprint();
  if (std::optional<Entry> entry = likely ? table_.peek(*likely) : std::nullopt;
      entry && entry->fingerprint == fingerprint) {
    BLOCK_TRY_ASSIGN(bool taken, take_reference(*likely, *entry));
    if (taken) return likely;
  }
  for (HostCluster candidate : content.candidates()) {
    Entry entry = table_.get(candidate);
    if (entry.fingerprint != fingerprint) {
      // Another content has the same short fingerprint, or the index is older than the table.
      if (entry.fingerprint.prefix48() != fingerprint.prefix48())
        index_->remove(fingerprint, candidate);
      continue;
    }
    BLOCK_TRY_ASSIGN(bool taken, take_reference(candidate, entry));
    if (taken) return std::optional(candidate);
  }
  return std::optional<HostCluster>();
}

Result<bool> Deduplicator::take_reference(HostCluster candidate, const Entry& entry) {
  if (disk.image.allocator().metadata().contains(candidate)) return false; // a forged table
  BLOCK_TRY_ASSIGN(std::uint64_t references, disk.image.allocator().references(candidate));
  if (references == 0) { // the cluster was freed and its entry remained
    forget(candidate);
    return false;
  }
  BLOCK_TRY_ASSIGN(bool room,
                   disk.image.allocator().can_add_reference(candidate, max_shared_refcount_));
  if (!room) {
    counters_.refcount_overflows.add();
    forget(candidate);
    return false;
  }
  if (!clear_copied(candidate, entry, references)) {
    forget(candidate);
    return false;
  }
  Result<void> added = disk.image.allocator().add_reference(candidate);
  if (!added) {
    if (references == 1) disk.image.allocator().single_owners().add(candidate, 1);
    return std::move(added).error();
  }
  return true;
}

// An L2 entry with COPIED is overwritten in place, so no entry may carry it for a cluster that
// others read. COPIED implies a refcount of 1: an image that violates this is corrupt, and its
// guest clusters overwrite each other without any sharing. Whatever the table contains, there are
// three cases:
//   - A first owner that names the candidate. Either it is the only one that does, and its COPIED
//     is cleared here; or there are others, and no L2 entry carries COPIED.
//   - No first owner, several references: no L2 entry carries COPIED.
//   - No first owner, one reference. It may carry COPIED, unless the cluster was shared in this
//     session.
// If the first owner does not name the candidate, the entry is wrong. This also covers a cluster
// that is being written, because it is linked only after that.
bool Deduplicator::clear_copied(HostCluster candidate, const Entry& entry,
                                std::uint64_t references) {
  if (!entry.first_owner)
    return references > 1 || disk.image.allocator().single_owners().contains(candidate);
  GuestCluster owner = disk.image.cluster_size().containing(*entry.first_owner);
  Result<bool> cleared = disk.mapping().clear_copied(owner, candidate);
  return cleared && *cleared; // an L2 table that cannot be read costs this entry, and no write
}

Result<bool> Deduplicator::lacks_fingerprint(HostCluster cluster) {
  Entry entry = table_.get(cluster);
  if (!entry.empty()) return false;
  // A cluster that reached the threshold lost its fingerprint permanently. A cluster without a
  // reference is damage.
  BLOCK_TRY_ASSIGN(bool room,
                   disk.image.allocator().can_add_reference(cluster, max_shared_refcount_));
  if (!room) return false;
  BLOCK_TRY_ASSIGN(std::uint64_t references, disk.image.allocator().references(cluster));
  return references > 0 && !disk.image.allocator().metadata().contains(cluster);
}

void Deduplicator::remember(HostCluster cluster, const Fingerprint& fingerprint,
                            GuestCluster owner) {
  table_.replace(cluster, Entry{fingerprint, disk.image.cluster_size().start(owner)});
  index_->insert(fingerprint, cluster);
  counters_.hashes_created.add();
}

void Deduplicator::forget(HostCluster cluster) {
  std::optional<Entry> former = table_.replace(cluster, Entry{});
  // If the entry is not in memory, its fingerprint leaves the index when its hash block is read.
  // Until then the table contradicts the index.
  if (!former || former->empty()) return;
  fingerprint_removed(cluster, former->fingerprint);
}

void Deduplicator::fingerprint_removed(HostCluster cluster, const Fingerprint& fingerprint) {
  index_->remove(fingerprint, cluster);
  counters_.hashes_removed.add();
}

void Deduplicator::unshare(HostCluster cluster) {
  // There is no caller to report an error to. A reference that stays counted is a leak, which check
  // finds.
  Result<std::uint64_t> left = disk.image.allocator().drop_reference(cluster);
  if (left && *left == 0) forget_deleted(cluster);
}

void Deduplicator::forget_deleted(HostCluster cluster) {
  if (extension_.data) count_down(extension_.data->stored);
  counters_.deleted_clusters.add();
  forget(cluster);
}

void Deduplicator::content_changes(HostCluster cluster) {
  disk.image.metadata_mutex.assert_held();
  // While deduplication is paused no lookup needs the fingerprint, so the overwrite of a cluster
  // reads nothing either.
  if (!paused() || !table_.forget_later(cluster)) forget(cluster);
}

// So no entry leads to a cluster that is being written, even if the table was forged.
void Deduplicator::clusters_allocated(HostCluster first, std::uint64_t clusters) {
  disk.image.metadata_mutex.assert_held();
  table_.clear_free(first, clusters);
}

void Deduplicator::content_unreadable(HostCluster first, std::uint64_t clusters) {
  disk.image.metadata_mutex.assert_held();
  for (std::uint64_t i = 0; i < clusters; ++i)
    forget(first + i);
}

void Deduplicator::reference_added(HostCluster, bool first) {
  disk.image.metadata_mutex.assert_held();
  if (!extension_.data) return;
  ++extension_.data->named;
  if (first) ++extension_.data->stored;
}

void Deduplicator::reference_dropped(GuestCluster guest, HostCluster host, std::uint64_t left) {
  disk.image.metadata_mutex.assert_held();
  if (extension_.data) count_down(extension_.data->named);
  if (left == 0) return forget_deleted(host);
  Entry entry = table_.get(host);
  if (entry.first_owner == disk.image.cluster_size().start(guest))
    table_.replace(host, Entry{entry.fingerprint, std::nullopt});
}

void Deduplicator::became_only_owner(GuestCluster guest, HostCluster host) {
  disk.image.metadata_mutex.assert_held();
  Entry entry = table_.get(host);
  // A table entry cannot name an owner beyond the disk's end.
  if (guest.value() >= disk.mapping().guest_clusters())
    forget(host);
  else if (!entry.empty())
    table_.replace(host, Entry{entry.fingerprint, disk.image.cluster_size().start(guest)});
}

Result<void> Deduplicator::before_first_change(qcow2::Header& header) {
  disk.image.metadata_mutex.assert_held();
  extension_.set(in_use, true);
  if (!is_exclusive(header)) header.autoclear_features |= dedup_feature_mask;
  enter_extension(header, extension_);
  return {};
}

void Deduplicator::at_clean_close(qcow2::Header& header) {
  disk.image.metadata_mutex.assert_held();
  extension_ = with_status(scan_mark_);
  record_witness(disk, extension_);
  // Entries that were not trusted in this session are not trusted in the next one. Without flushes
  // it is not known which of them are in the file.
  if (trusted_ && table_.waiting_changes() == 0 && !table_.has_changes() &&
      !disk.image.file().flushes_nothing())
    extension_.set(in_use, false);
  enter_extension(header, extension_);
}

bool Deduplicator::wants_write_back() const {
  disk.image.metadata_mutex.assert_held();
  return table_.wants_write_back();
}

Result<void> Deduplicator::prepare_write_back() {
  disk.image.metadata_mutex.assert_held();
  return table_.merge_waiting(disk.image.allocator());
}

std::size_t Deduplicator::waiting_changes() const {
  disk.image.metadata_mutex.assert_held();
  return table_.waiting_changes();
}

std::vector<qcow2::TableWrite> Deduplicator::begin_write_back() {
  disk.image.metadata_mutex.assert_held();
  return table_.begin_write_back();
}

void Deduplicator::end_write_back(const std::vector<qcow2::TableWrite>& writes, bool written) {
  disk.image.metadata_mutex.assert_held();
  table_.end_write_back(writes, written);
}

void Deduplicator::table_lost(const qcow2::TableWrite& write, const block::Error& why) {
  disk.image.metadata_mutex.assert_held();
  if (write.table == table_.l1_offset())
    abandon_table(why);
  else
    table_.lose_block(write.table, why);
}

} // namespace qcow2_dedup
