// TableCheck: the table's clusters, first owners, and entries of clusters that hold no data.
#include "block/qcow2-dedup/table/table-check.h"

#include "block/qcow2-dedup/table/data-figures.h"
#include "block/qcow2-dedup/table/stored-header.h"
#include "block/qcow2-dedup/table/witness.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace qcow2_dedup {

namespace {

// The check has no index.
void no_index(HostCluster, const dedup::Fingerprint&) {}
void no_blocks(std::uint64_t, const block::Error&) {}

} // namespace

TableCheck::TableCheck(qcow2::HostFile& file, qcow2::Header& header, Extension extension, bool deep,
                       std::uint64_t owners_bytes)
    : file_(file),
      header_(header),
      cluster_size_(header.cluster_size()),
      extension_(extension),
      table_(file, header.cluster_size(), 0, counters_, no_index, no_blocks),
      blocks_(file, hash_block_bytes),
      owners_bytes_(owners_bytes),
      deep_(deep),
      trusted_(!extension.has(in_use) && table_is_current(header)) {}

bool TableCheck::claim_all(qcow2::References& references) {
  std::vector<DedupTable::Place> claimed;
  for (const DedupTable::Place& place : table_.places()) {
    if (references.claim(place.offset, place.bytes)) {
      claimed.push_back(place);
      continue;
    }
    release(claimed, references);
    return false;
  }
  return true;
}

void TableCheck::release(const std::vector<DedupTable::Place>& claimed,
                         qcow2::References& references) const {
  for (const DedupTable::Place& place : claimed)
    for (std::uint64_t i = 0; i < cluster_size_.clusters_for(place.bytes); ++i)
      references.remove_metadata(cluster_size_.containing(place.offset) + i);
}

Result<bool> TableCheck::give_up_metadata(qcow2::References& references,
                                          qcow2::CheckFindings& findings) {
  if (!usable_) return false;
  BLOCK_TRY(drop_table("the repair needs its space", findings));
  release(table_.places(), references);
  return true;
}

// Checks the file against the witness of the last clean end. A repair may change the tables, and
// may extend a file that has lost its end, so the remaining loss is recorded in the header before.
// A repair cannot restore lost data. The loss is accepted once the lost data has become zeros, or
// if nothing refers to the missing clusters.
Result<void> TableCheck::check_file(const qcow2::References& references,
                                    qcow2::CheckFindings& findings) {
  if (!table_is_current(header_)) return {};
  const std::uint64_t file_bytes = references.file_bytes();
  const Extension found = extension_;
  std::string what;
  bool acceptable = true;
  const bool accepts = findings.repairs_errors();
  // After an unclean end the file may be shorter than at the last clean end.
  const std::uint64_t missing = header_.dirty() ? 0 : missing_bytes(extension_, file_bytes);
  if (missing > 0) {
    what = "the image file has lost its end: " + std::to_string(missing) + " bytes are missing";
    bool cut_in_two =
        !cluster_size_.aligned(HostOffset(file_bytes)) &&
        references.use(cluster_size_.containing(HostOffset(file_bytes))) != qcow2::ClusterUse::free;
    acceptable = !cut_in_two && references.dangling().end() == HostCluster(0);
    trusted_ = false;
    extension_.set(in_use, true);
    if (acceptable && accepts) {
      extension_.file_end = file_bytes;
      extension_.lost_from = 0; // an earlier loss is accepted together with this one
    } else {
      extension_.note_lost(file_bytes);
    }
  } else if (extension_.lost_from != 0 && !keeps_losses_) {
    what = "the image file once ended at offset " + std::to_string(extension_.lost_from) +
           "; data that was stored beyond reads as zeros";
    if (accepts) extension_.lost_from = 0;
  }
  if (!what.empty() && accepts && acceptable)
    findings.corruption_fixed("Accepting: " + what);
  else if (!what.empty())
    findings.corruption("ERROR " + what);
  if (!repairs_) {
    extension_ = found;
    return {};
  }
  if (extension_ == found) return {};
  return store_header(file_, header_, extension_);
}

Result<void> TableCheck::claim_metadata(qcow2::References& references,
                                        qcow2::CheckFindings& findings) {
  // A repair of leaks changes refcounts, too. Clearing an entry costs no data.
  repairs_ = findings.repairs();
  const bool as_closed =
      !header_.dirty() && missing_bytes(extension_, references.file_bytes()) == 0;
  BLOCK_TRY(check_file(references, findings));
  if (repairs_ && header_.dirty()) {
    // The last writes before the unclean end may lack entries, and the witness is older than these
    // writes. Once "dirty" is cleared, nothing else in the header shows that.
    extension_.set_scan_mark(0);
    clear_witness(extension_);
    extension_.data.reset();
    BLOCK_TRY(store_header(file_, header_, extension_));
  }
  if (extension_.table_offset == HostOffset()) return {};
  Result<void> loaded = table_.load(extension_);
  if (!loaded || !claim_all(references))
    return drop_table(loaded ? "it overlaps other clusters" : loaded.error().message(), findings);
  // As at open: entries of clusters that another program has overwritten look like any other, and a
  // repair would record the present tables as correct.
  if (as_closed && !tables_are_as_recorded(file_, header_, extension_)) {
    if (repairs_) {
      release(table_.places(), references);
      return drop_table("the image is not as it was closed", findings);
    }
    findings.note("The image is not as it was closed: its dedup table will be made anew");
  }
  usable_ = true;
  owners_ = SingleOwners(table_.block_count(), owners_bytes_);
  return {};
}

Result<void> TableCheck::drop_table(const std::string& why, qcow2::CheckFindings& findings) {
  const bool counted = std::exchange(usable_, false);
  if (!repairs_) {
    findings.corruption("ERROR dedup table is unusable: " + why);
    return {};
  }
  dropped_when_counted_ = counted;
  findings.corruption_fixed("Dropping the dedup table: " + why);
  extension_.table_offset = HostOffset();
  extension_.table_entries = 0;
  return store_header(file_, header_, extension_);
}

void TableCheck::data_reference(GuestOffset guest, HostCluster host, std::uint64_t references) {
  if (!usable_ || references != 1) return;
  std::uint64_t index = block_index_of(host);
  if (index < table_.block_count() && table_.block_place(index) != HostOffset())
    owners_.record(host, cluster_size_.containing(guest));
}

std::uint64_t TableCheck::steps() const {
  if (!deep_) return 0;
  std::uint64_t entries = std::uint64_t{extension_.table_entries} * entries_per_block;
  return std::min(entries, cluster_size_.containing(file_.end()).value());
}

// Returns whether the entry matches the walk. The owner of a cluster with one reference may carry
// COPIED, which Deduplicator::clear_copied() clears at the first owner of the entry: so that first
// owner must be the owner. If a part of the mapping could not be read, only entries of metadata are
// certainly wrong.
bool TableCheck::fits(HostCluster cluster, const Entry& entry,
                      const qcow2::References& references) const {
  qcow2::ClusterUse use = references.use(cluster);
  if (!references.complete()) return use != qcow2::ClusterUse::metadata;
  if (use != qcow2::ClusterUse::data) return false;
  if (entry.first_owner && !cluster_size_.aligned(*entry.first_owner)) return false;
  if (references.count(cluster) != 1) return true;
  std::optional<GuestCluster> owner = owners_.owner(cluster);
  return owner && entry.first_owner == cluster_size_.start(*owner);
}

void TableCheck::clear(std::size_t slot) {
  clear_entry(HashBlock(block_), slot);
  changed_.begin = std::min(changed_.begin, slot * entry_bytes);
  changed_.end = std::max(changed_.end, (slot + 1) * entry_bytes);
}

Result<void> TableCheck::check_block(std::uint64_t index, const qcow2::References& references,
                                     DeepCheck* deep, qcow2::CheckFindings& findings,
                                     const qcow2::CheckStep& step) {
  if (table_.block_place(index) == HostOffset()) return {};
  Result<std::span<std::byte>> read = blocks_.read(table_.block_place(index));
  if (!read) return lose_block(index, read.error(), findings);
  if (read->empty()) return {}; // a hole in the file has no entries
  block_ = *read;
  changed_ = {};
  if (Result<void> ends = check_block_end(ConstHashBlock(block_)); !ends)
    return lose_block(index, ends.error(), findings);
  for (std::size_t slot = 0; slot < entries_per_block; ++slot) {
    HostCluster cluster = cluster_at(index, slot);
    Entry entry = load_entry(ConstHashBlock(block_), slot);
    if (entry.empty()) continue;
    if (!fits(cluster, entry, references)) {
      ++wrong_entries_;
      clear(slot);
    } else if (deep) {
      deep->add(cluster, entry.fingerprint);
      step();
    }
  }
  if (deep) deep->compare(); // may clear entries of this block
  if (!repairs_ || changed_.end == 0) return {};
  if (Result<void> stored = blocks_.store(changed_.begin, changed_.end); !stored)
    return drop_table(stored.error().message(), findings);
  return {};
}

Result<void> TableCheck::lose_block(std::uint64_t index, const block::Error& why,
                                    qcow2::CheckFindings& findings) {
  findings.note((repairs_ ? "Repairing: hash block " : "Hash block ") + std::to_string(index) +
                " of the dedup table is lost, which costs no data: " + why.message());
  if (!repairs_) return {};
  std::vector<std::byte> empty(hash_block_bytes);
  Result<void> stored = file_.write(table_.block_place(index), std::span<const std::byte>(empty));
  if (!stored) return drop_table(stored.error().message(), findings);
  return {};
}

DataClusters TableCheck::data_clusters(const block::CheckReport& report) const {
  return {report.allocated_clusters - report.compressed_clusters, stored_clusters_};
}

block::DataFigures TableCheck::data_figures(const block::CheckReport& report) const {
  return qcow2_dedup::data_figures(data_clusters(report), cluster_size_,
                                   cluster_size_.clusters_for(file_.end().value()),
                                   metadata_clusters_);
}

void TableCheck::report(const std::string& what, bool repaired, qcow2::CheckFindings& findings,
                        qcow2::CheckFindings::About about) const {
  if (!trusted_)
    findings.note((repaired ? "Repairing: " : "") + what + " (the table is not trusted)", about);
  else if (repaired)
    findings.corruption_fixed("Repairing: " + what);
  else
    findings.corruption("ERROR " + what);
}

Result<DeepCheck> TableCheck::deep_check(qcow2::CheckFindings& findings) {
  BLOCK_TRY_ASSIGN(dedup::Hasher hasher, dedup::Hasher::create(extension_.algorithm));
  DeepCheck::Findings hears;
  hears.wrong = [this, &findings](HostCluster cluster) {
    // The data may be wrong instead of the entry, so a repair of leaks does not clear it.
    if (findings.repairs_errors()) clear(slot_of(cluster));
    report("dedup table entry of cluster " + std::to_string(cluster.value()) +
               ": its hash is not that of the data",
           findings.repairs_errors(), findings, qcow2::CheckFindings::About::damage);
  };
  hears.unknown = [&findings](HostCluster cluster, const block::Error& error) {
    findings.failure("ERROR cluster " + std::to_string(cluster.value()) +
                     " cannot be compared with its hash: " + error.message());
  };
  return DeepCheck(qcow2::DataFile(file_), cluster_size_, hasher, std::move(hears));
}

Result<bool> TableCheck::finish(const qcow2::References& references, qcow2::CheckFindings& findings,
                                const qcow2::CheckStep& step) {
  stored_clusters_ = references.data_clusters();
  metadata_clusters_ = references.used_clusters() - stored_clusters_;
  std::optional<DeepCheck> deep;
  if (usable_ && deep_) {
    BLOCK_TRY_ASSIGN(DeepCheck made, deep_check(findings));
    deep.emplace(std::move(made));
  }
  std::uint64_t window_end = owners_.end();
  for (; usable_ && next_block_ < window_end; ++next_block_)
    BLOCK_TRY(check_block(next_block_, references, deep ? &*deep : nullptr, findings, step));
  if (deep) findings.report().compared_clusters += deep->compared();
  if (usable_ && next_block_ < table_.block_count()) {
    owners_.start(next_block_);
    return true;
  }
  if (wrong_entries_ > 0)
    report(std::to_string(wrong_entries_) + " entries of the dedup table do not fit their clusters",
           repairs_, findings, qcow2::CheckFindings::About::lag);
  const block::CheckReport& left = findings.report();
  if (repairs_ && left.corruptions == 0 && left.check_errors == 0) {
    extension_.data = data_clusters(left);
    record_tables(file_, header_, extension_);
    BLOCK_TRY(store_header(file_, header_, extension_));
  }
  return false;
}

} // namespace qcow2_dedup
