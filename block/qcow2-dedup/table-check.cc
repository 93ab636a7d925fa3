// TableCheck: the table's clusters, first owners, and entries of clusters that hold no data.
#include "block/qcow2-dedup/table-check.h"

#include "block/qcow2-dedup/stored-header.h"

#include <algorithm>
#include <optional>

namespace qcow2_dedup {

namespace {

constexpr std::uint64_t cache_bytes = 16u << 20;

// The check neither grows the table nor keeps an index.
Result<void> never_grows(HostOffset, std::uint32_t) {
  return {};
}
void no_index(HostCluster, const dedup::Fingerprint&) {}

} // namespace

TableCheck::TableCheck(qcow2::HostFile& file, qcow2::Header& header, Extension extension, bool deep)
    : file_(file),
      header_(header),
      cluster_size_(header.cluster_size()),
      extension_(extension),
      table_(file, header.cluster_size(), cache_bytes, counters_, never_grows, no_index),
      deep_(deep),
      trusted_(!extension.has(in_use) && table_is_current(header)) {}

bool TableCheck::claim_all(qcow2::References& references) {
  std::vector<DedupTable::Place> claimed;
  for (const DedupTable::Place& place : table_.places()) {
    if (references.claim(place.offset, place.bytes)) {
      claimed.push_back(place);
      continue;
    }
    for (const DedupTable::Place& back : claimed)
      for (std::uint64_t i = 0; i < cluster_size_.clusters_for(back.bytes); ++i)
        references.remove_metadata(cluster_size_.containing(back.offset) + i);
    return false;
  }
  return true;
}

Result<void> TableCheck::claim_metadata(qcow2::References& references,
                                        qcow2::CheckFindings& findings) {
  repairs_ = findings.repairs_errors();
  if (extension_.table_offset == HostOffset()) return {};
  Result<void> loaded = table_.load(extension_);
  usable_ = loaded && claim_all(references);
  if (usable_) return {};
  std::string why = loaded ? "it overlaps other clusters" : loaded.error().message();
  if (!repairs_) {
    findings.corruption("ERROR dedup table is unusable: " + why);
    return {};
  }
  findings.corruption_fixed("Dropping the dedup table: " + why);
  extension_.table_offset = HostOffset();
  extension_.table_entries = 0;
  return store_header(file_, header_, extension_);
}

void TableCheck::clear(HostCluster cluster) {
  ++wrong_entries_;
  if (repairs_) table_.replace(cluster, Entry{});
}

Result<void> TableCheck::write_back() {
  std::vector<qcow2::TableWrite> writes = table_.begin_write_back();
  Result<void> written = qcow2::write_tables(file_, block::DebugEvent::dedup_block_update, writes);
  table_.end_write_back(writes, written.ok());
  return written;
}

// A cluster with one owner carries COPIED, so its owner may overwrite it in place. Whoever shares
// it later clears that flag where the table says it stands: the entry must name the owner truly, or
// not exist.
void TableCheck::data_reference(GuestOffset guest, HostCluster host, std::uint64_t references) {
  if (!usable_ || references != 1) return;
  Result<Entry> entry = table_.get(host);
  if (!entry) ++unreadable_entries_;
  if (entry && !entry->empty() && entry->first_owner != guest) clear(host);
  table_.trim();
  // What cannot be written now is tried again in finish(), which reports it.
  if (table_.wants_write_back()) (void)write_back().ok();
}

std::uint64_t TableCheck::steps() const {
  if (!deep_) return 0;
  std::uint64_t entries = std::uint64_t{extension_.table_entries} * entries_per_block;
  return std::min(entries, cluster_size_.containing(file_.end()).value());
}

Result<void> TableCheck::check_entries(const qcow2::References& references, DeepCheck* deep,
                                       const qcow2::CheckStep& step) {
  for (std::uint64_t index = 0; index < table_.block_count(); ++index) {
    if (table_.block_place(index) == HostOffset()) continue;
    for (std::size_t slot = 0; slot < entries_per_block; ++slot) {
      HostCluster cluster = cluster_at(index, slot);
      BLOCK_TRY_ASSIGN(Entry entry, table_.get(cluster));
      if (entry.empty()) continue;
      if (references.use(cluster) != qcow2::ClusterUse::data) {
        clear(cluster);
      } else if (deep) {
        deep->add(cluster, entry.fingerprint);
        step();
      }
    }
    // Before the hash block leaves memory.
    if (deep) deep->compare();
    table_.trim();
    if (table_.wants_write_back()) BLOCK_TRY(write_back());
  }
  return write_back();
}

void TableCheck::report(const std::string& what, qcow2::CheckFindings& findings) const {
  if (!trusted_)
    findings.note((repairs_ ? "Repairing: " : "") + what + " (the table is not trusted)");
  else if (repairs_)
    findings.corruption_fixed("Repairing: " + what);
  else
    findings.corruption("ERROR " + what);
}

Result<DeepCheck> TableCheck::deep_check(qcow2::CheckFindings& findings) {
  BLOCK_TRY_ASSIGN(dedup::Hasher hasher, dedup::Hasher::create(extension_.algorithm));
  DeepCheck::Findings hears;
  hears.wrong = [this, &findings](HostCluster cluster) {
    if (repairs_) table_.replace(cluster, Entry{});
    report("dedup table entry of cluster " + std::to_string(cluster.value()) +
               ": its hash is not that of the data",
           findings);
  };
  hears.unknown = [&findings](HostCluster cluster, const block::Error& error) {
    findings.failure("ERROR cluster " + std::to_string(cluster.value()) +
                     " cannot be compared with its hash: " + error.message());
  };
  return DeepCheck(file_, cluster_size_, hasher, std::move(hears));
}

Result<void> TableCheck::finish(const qcow2::References& references, qcow2::CheckFindings& findings,
                                const qcow2::CheckStep& step) {
  if (!usable_) return {};
  std::optional<DeepCheck> deep;
  if (deep_) {
    BLOCK_TRY_ASSIGN(DeepCheck made, deep_check(findings));
    deep.emplace(std::move(made));
  }
  BLOCK_TRY(check_entries(references, deep ? &*deep : nullptr, step));
  if (unreadable_entries_ > 0)
    findings.failure("ERROR " + std::to_string(unreadable_entries_) +
                     " entries of the dedup table cannot be read");
  if (wrong_entries_ > 0)
    report(std::to_string(wrong_entries_) + " entries of the dedup table do not fit their clusters",
           findings);
  return {};
}

} // namespace qcow2_dedup
