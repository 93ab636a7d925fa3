// Deduplicator: sharing clusters, recording and removing fingerprints, and the status in the
// header.
#include "block/qcow2-dedup/deduplicator.h"

#include "block/qcow2-dedup/table/data-figures.h"
#include "block/qcow2-dedup/table/stored-header.h"
#include "block/qcow2-dedup/table/witness.h"

#include <algorithm>

namespace qcow2_dedup {

using dedup::Fingerprint;

namespace {

// The file may have recorded too small a number.
void count_down(std::uint64_t& clusters) {
  if (clusters > 0) --clusters;
}

} // namespace

Deduplicator::Deduplicator(qcow2::Image& deduplicated, qcow2::Root& recorded, Extension extension,
                           dedup::Hasher hasher, DedupSettings settings, bool trusted,
                           OnLoss on_loss)
    : image(deduplicated),
      recorded_(recorded),
      hasher_(hasher),
      settings_(settings),
      trusted_(trusted),
      on_loss_(std::move(on_loss)),
      max_shared_refcount_(std::max<std::uint64_t>(1, image.max_refcount() / 2 + 1)),
      paused_(!extension.has(dedup_running)),
      extension_(extension),
      scan_mark_(extension.scan_mark()),
      index_(dedup::make_tree_index(settings.index_bytes ? settings.index_bytes : UINT64_MAX)),
      table_(
          image.file(), image.cluster_size(), settings.cache_bytes, counters_,
          [this](HostCluster cluster, const Fingerprint& fingerprint) {
            fingerprint_removed(cluster, fingerprint);
          },
          [this](std::uint64_t index, const block::Error& why) {
            report_loss("hash block " + std::to_string(index), why);
          }) {}

bool Deduplicator::load() {
  auto metadata = image.lock();
  Result<void> loaded = table_.load(extension_);
  if (loaded) loaded = enter_table(metadata);
  if (!loaded) abandon_table(metadata, loaded.error());
  return loaded.ok();
}

// Enters all of the table or nothing: entered clusters never take guest data again.
Result<void> Deduplicator::enter_table(Metadata& metadata) {
  std::vector<DedupTable::Place> entered;
  for (const DedupTable::Place& place : table_.places()) {
    Result<void> done = metadata.enter(place.offset, place.bytes);
    if (done) {
      entered.push_back(place);
      continue;
    }
    block::ClusterSize size = image.cluster_size();
    for (const DedupTable::Place& back : entered)
      for (std::uint64_t i = 0; i < size.clusters_for(back.bytes); ++i)
        metadata.allocator().metadata().remove(size.containing(back.offset) + i);
    return done;
  }
  return {};
}

Result<void> Deduplicator::store_place(Metadata& metadata, HostOffset offset,
                                       std::uint32_t entries) {
  Extension wanted = extension_;
  wanted.table_offset = offset;
  wanted.table_entries = entries;
  qcow2::Header header = metadata.header();
  enter_extension(header, wanted);
  // After an error the new clusters are freed again, so no later header may name them.
  BLOCK_TRY(metadata.store_header(std::move(header)));
  extension_ = wanted;
  return {};
}

// The header in the file names the old table until the next change of the image. That change marks
// the table in use, so it is not trusted.
void Deduplicator::abandon_table(Metadata& metadata, const block::Error& why) {
  table_.abandon();
  extension_.table_offset = HostOffset();
  extension_.table_entries = 0;
  enter_extension(metadata.mutable_header(), extension_);
  report_loss("the table", why);
}

void Deduplicator::report_loss(const std::string& what, const block::Error& why) {
  if (std::exchange(loss_reported_, true)) return;
  on_loss_("deduplication: " + what +
           " is lost, so less is shared; no data is lost: " + why.message());
}

std::optional<block::DataFigures> Deduplicator::data_figures(Metadata& metadata) const {
  if (!extension_.data) return std::nullopt;
  block::ClusterSize size = image.cluster_size();
  return qcow2_dedup::data_figures(*extension_.data, size,
                                   size.clusters_for(image.file().end().value()),
                                   metadata.clusters() + table_.clusters());
}

block::DedupInfo Deduplicator::info() {
  block::DedupInfo info;
  counters_.fill(info);
  info.algorithm = dedup::name_of(hasher_.algorithm());
  info.verify = settings_.verify || hasher_.collides();
  info.table_trusted = trusted_;
  info.cluster_size = image.cluster_size().bytes();
  auto metadata = image.lock();
  info.data = data_figures(metadata);
  info.cache_bytes = table_.cache_bytes();
  info.index_entries = index_->entries();
  info.index_bytes = index_->memory_bytes();
  info.index_limit = settings_.index_bytes;
  return info;
}

bool Deduplicator::status_is_stored() {
  auto metadata = image.lock();
  return extension_ == with_status(scan_mark_);
}

Extension Deduplicator::with_status(std::optional<std::uint64_t> scan_mark) const {
  Extension extension = extension_;
  extension.set(dedup_running, !paused());
  extension.set_scan_mark(scan_mark);
  return extension;
}

Extension Deduplicator::extension(std::optional<std::uint64_t> scan_mark) {
  auto metadata = image.lock();
  return with_status(scan_mark);
}

void Deduplicator::set_scan_mark(std::optional<std::uint64_t> position) {
  auto metadata = image.lock();
  scan_mark_ = position;
}

bool Deduplicator::holds(Metadata&, HostCluster cluster, dedup::Lookups::Lookup content) {
  const Fingerprint& fingerprint = content.fingerprint();
  if (std::optional<Entry> known = table_.peek(cluster)) return known->fingerprint == fingerprint;
  // The index is searched before the file: it answers most lookups without reading a hash block.
  const dedup::Candidates& candidates = content.candidates();
  if (std::find(candidates.begin(), candidates.end(), cluster) == candidates.end()) return false;
  return table_.get(cluster).fingerprint == fingerprint;
}

Result<std::optional<HostCluster>> Deduplicator::share(Metadata& metadata,
                                                       dedup::Lookups::Lookup content,
                                                       std::optional<HostCluster> likely) {
  const Fingerprint& fingerprint = content.fingerprint();
  if (std::optional<Entry> entry = likely ? table_.peek(*likely) : std::nullopt;
      entry && entry->fingerprint == fingerprint) {
    BLOCK_TRY_ASSIGN(bool taken, take_reference(metadata, *likely, *entry));
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
    BLOCK_TRY_ASSIGN(bool taken, take_reference(metadata, candidate, entry));
    if (taken) return std::optional(candidate);
  }
  return std::optional<HostCluster>();
}

Result<bool> Deduplicator::take_reference(Metadata& metadata, HostCluster candidate,
                                          const Entry& entry) {
  if (metadata.allocator().metadata().contains(candidate)) return false; // a forged table
  BLOCK_TRY_ASSIGN(std::uint64_t references, metadata.allocator().references(candidate));
  if (references == 0) { // the cluster was freed and its entry remained
    forget(metadata, candidate);
    return false;
  }
  BLOCK_TRY_ASSIGN(bool room,
                   metadata.allocator().can_add_reference(candidate, max_shared_refcount_));
  if (!room) {
    counters_.refcount_overflows.add();
    forget(metadata, candidate);
    return false;
  }
  if (!clear_copied(metadata, candidate, entry, references)) {
    forget(metadata, candidate);
    return false;
  }
  Result<void> added = metadata.allocator().add_reference(candidate);
  if (!added) {
    if (references == 1) metadata.allocator().single_owners().add(candidate, 1);
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
bool Deduplicator::clear_copied(Metadata& metadata, HostCluster candidate, const Entry& entry,
                                std::uint64_t references) {
  if (!entry.first_owner)
    return references > 1 || metadata.allocator().single_owners().contains(candidate);
  GuestCluster owner = image.cluster_size().containing(*entry.first_owner);
  Result<bool> cleared = recorded_.mapping(metadata).clear_copied(owner, candidate);
  return cleared && *cleared; // an L2 table that cannot be read costs this entry, and no write
}

Result<bool> Deduplicator::lacks_fingerprint(Metadata& metadata, HostCluster cluster) {
  Entry entry = table_.get(cluster);
  if (!entry.empty()) return false;
  // A cluster that reached the threshold lost its fingerprint permanently. A cluster without a
  // reference is damage.
  BLOCK_TRY_ASSIGN(bool room,
                   metadata.allocator().can_add_reference(cluster, max_shared_refcount_));
  if (!room) return false;
  BLOCK_TRY_ASSIGN(std::uint64_t references, metadata.allocator().references(cluster));
  return references > 0 && !metadata.allocator().metadata().contains(cluster);
}

std::optional<GuestOffset> Deduplicator::first_owner(qcow2::Owner owner) const {
  if (&owner.root != &recorded_) return std::nullopt;
  return image.cluster_size().start(owner.guest);
}

void Deduplicator::remember(Metadata&, HostCluster cluster, const Fingerprint& fingerprint,
                            qcow2::Owner owner) {
  table_.replace(cluster, Entry{fingerprint, first_owner(owner)});
  index_->insert(fingerprint, cluster);
  counters_.hashes_created.add();
}

void Deduplicator::forget(Metadata&, HostCluster cluster) {
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

void Deduplicator::unshare(Metadata& metadata, HostCluster cluster) {
  // There is no caller to report an error to. A reference that stays counted is a leak, which check
  // finds.
  Result<std::uint64_t> left = metadata.allocator().drop_reference(cluster);
  if (left && *left == 0) forget_deleted(metadata, cluster);
}

void Deduplicator::forget_deleted(Metadata& metadata, HostCluster cluster) {
  if (extension_.data) count_down(extension_.data->stored);
  counters_.deleted_clusters.add();
  forget(metadata, cluster);
}

void Deduplicator::content_changes(Metadata& metadata, HostCluster cluster) {
  // While deduplication is paused no lookup needs the fingerprint, so the overwrite of a cluster
  // reads nothing either.
  if (!paused() || !table_.forget_later(cluster)) forget(metadata, cluster);
}

// So no entry leads to a cluster that is being written, even if the table was forged.
void Deduplicator::clusters_allocated(Metadata&, HostCluster first, std::uint64_t clusters) {
  table_.clear_free(first, clusters);
}

void Deduplicator::content_unreadable(Metadata& metadata, HostCluster first,
                                      std::uint64_t clusters) {
  for (std::uint64_t i = 0; i < clusters; ++i)
    forget(metadata, first + i);
}

void Deduplicator::reference_added(Metadata&, HostCluster, bool first) {
  if (!extension_.data) return;
  ++extension_.data->named;
  if (first) ++extension_.data->stored;
}

void Deduplicator::reference_dropped(Metadata& metadata, qcow2::Owner owner, HostCluster host,
                                     std::uint64_t left) {
  if (extension_.data) count_down(extension_.data->named);
  if (left == 0) return forget_deleted(metadata, host);
  Entry entry = table_.get(host);
  if (entry.first_owner && entry.first_owner == first_owner(owner))
    table_.replace(host, Entry{entry.fingerprint, std::nullopt});
}

void Deduplicator::became_only_owner(Metadata& metadata, qcow2::Owner owner, HostCluster host) {
  Entry entry = table_.get(host);
  // A table entry cannot name an owner beyond the disk's end.
  if (owner.guest.value() >= owner.root.mapping(metadata).guest_clusters())
    forget(metadata, host);
  else if (!entry.empty())
    table_.replace(host, Entry{entry.fingerprint, first_owner(owner)});
}

Result<void> Deduplicator::prepare_write_back(Metadata& metadata) {
  return table_.merge_waiting(metadata.allocator(), [&](HostOffset offset, std::uint32_t entries) {
    return store_place(metadata, offset, entries);
  });
}

void Deduplicator::table_lost(Metadata& metadata, const qcow2::TableWrite& write,
                              const block::Error& why) {
  if (write.table == table_.l1_offset())
    abandon_table(metadata, why);
  else
    table_.lose_block(write.table, why);
}

void Deduplicator::before_first_change(Metadata& metadata) {
  extension_.set(in_use, true);
  qcow2::Header& header = metadata.mutable_header();
  if (!is_exclusive(header)) header.autoclear_features |= dedup_feature_mask;
  enter_extension(header, extension_);
}

void Deduplicator::at_clean_close(Metadata& metadata) {
  extension_ = with_status(scan_mark_);
  record_witness(metadata, extension_);
  // Entries that were not trusted in this session are not trusted in the next one. Without flushes
  // it is not known which of them are in the file.
  if (trusted_ && table_.waiting_changes() == 0 && !table_.has_changes() &&
      !image.file().flushes_nothing())
    extension_.set(in_use, false);
  enter_extension(metadata.mutable_header(), extension_);
}

} // namespace qcow2_dedup
