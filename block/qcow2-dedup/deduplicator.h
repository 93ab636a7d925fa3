// Deduplicator: the facts about the content of one image's clusters, and the code that keeps these
// facts correct.
#ifndef BLOCK_QCOW2_DEDUP_DEDUPLICATOR_H
#define BLOCK_QCOW2_DEDUP_DEDUPLICATOR_H

#include "block/dedup/hash-helper.h"
#include "block/dedup/in-flight.h"
#include "block/dedup/index.h"
#include "block/dedup/lookups.h"
#include "block/qcow2-dedup/table/dedup-table.h"
#include "block/qcow2/image.h"

#include <atomic>

namespace qcow2_dedup {

using qcow2::Metadata;

struct DedupSettings {
  std::uint64_t cache_bytes = 64u << 20; // dedup block cache
  std::uint64_t index_bytes = 0;         // memory limit of the index; 0: no limit
  bool verify = false;                   // compare bytes before sharing
  bool detect_zeroes = true;             // writes of zeros become zero entries
};

// A function that takes Metadata& requires the metadata lock, which guards the members that are
// marked so.
class Deduplicator final : public qcow2::ImageFeature {
public:
  // Called once, with the metadata lock held, when a part of the table is lost. The text names the
  // part and the reason.
  using OnLoss = std::function<void(const std::string&)>;

  // `trusted`: the table was closed cleanly. Otherwise every match is confirmed by comparing bytes,
  // in this session and in later ones, because an entry may be older than its cluster. `recorded`:
  // the root whose guest clusters the table records as first owners. Image and root must outlive
  // this object.
  Deduplicator(qcow2::Image& image, qcow2::Root& recorded, Extension extension,
               dedup::Hasher hasher, DedupSettings settings, bool trusted, OnLoss on_loss);

  // Reads the dedup table's L1. If the table cannot be read or overlaps other metadata, it is lost:
  // a new table is begun, and the function returns false.
  bool load();

  // --- Status; any thread, no lock needed ---
  bool paused() const { return paused_.load(std::memory_order_relaxed); }
  void set_paused(bool paused) { paused_ = paused; }
  // All entries of the table are in the index.
  void set_index_loaded() { index_loaded_ = true; }
  bool index_loaded() const { return index_loaded_; }
  // Increases whenever data is stored without a lookup for duplicates: once before and once after.
  std::uint64_t plain_writes() const { return plain_writes_; }
  // Sets what a clean close stores of the scan: the guest cluster from which on it has work to do,
  // if any.
  void set_scan_mark(std::optional<std::uint64_t> position);
  block::DedupInfo info();
  // Returns whether the file holds the present status: paused or not, and the position of the scan.
  bool status_is_stored();
  // Returns the header extension, with the status as a close would store it if the scan has work to
  // do from `scan_mark` on.
  Extension extension(std::optional<std::uint64_t> scan_mark);

  // --- For the write path ---
  // Returns a stored cluster with this content. One reference is taken for the caller, and COPIED
  // of its first owner is cleared. Returns nothing if there is none, or if its refcount has reached
  // the threshold. `likely` is tried first: duplicates come in runs, so the cluster after the last
  // match is often the next match, and its entry is in memory.
  Result<std::optional<HostCluster>> share(Metadata& metadata, dedup::Lookups::Lookup content,
                                           std::optional<HostCluster> likely);
  // Returns whether the table records this content for the cluster.
  bool holds(Metadata& metadata, HostCluster cluster, dedup::Lookups::Lookup content);
  // Records the fingerprint of a cluster whose content is written and linked. The L2 entry of
  // `owner` names it, with COPIED if it is the only one.
  void remember(Metadata& metadata, HostCluster cluster, const dedup::Fingerprint& fingerprint,
                qcow2::Owner owner);
  // Returns whether a data cluster that the mapping names has no fingerprint and may have one.
  Result<bool> lacks_fingerprint(Metadata& metadata, HostCluster cluster);
  // Gives back the reference that share() took.
  void unshare(Metadata& metadata, HostCluster cluster);
  // Removes the cluster's entry from the table, because it no longer applies.
  void forget(Metadata& metadata, HostCluster cluster);
  dedup::InFlight& in_flight(Metadata&) { return in_flight_; }
  dedup::Index& index(Metadata&) { return *index_; }
  DedupTable& table(Metadata&) { return table_; }

  const dedup::Hasher& hasher() const { return hasher_; }
  dedup::HashHelper& hash_helper() { return hash_helper_; }
  dedup::Counters& counters() { return counters_; }
  // Counts that `clusters` data clusters were written to the file.
  void count_stored(std::uint64_t clusters) {
    counters_.file_written_bytes.add(clusters << image.cluster_size().bits());
  }
  bool detects_zeroes() const { return settings_.detect_zeroes; }
  // Returns whether a match must be confirmed by comparing bytes.
  bool confirms_matches() const { return settings_.verify || !trusted_ || hasher_.collides(); }
  // Returns whether a match must be on the medium, too. Clusters in a trusted table need no such
  // test. Either they were durable before the table was, or they are of this session, in which no
  // flush succeeds after a write was lost.
  bool distrusts_page_cache() const { return !trusted_; }

  qcow2::Image& image;

  // --- ContentEvents ---
  void content_changes(Metadata& metadata, HostCluster cluster) override;
  void clusters_allocated(Metadata& metadata, HostCluster first, std::uint64_t clusters) override;
  void content_unreadable(Metadata& metadata, HostCluster first, std::uint64_t clusters) override;
  void data_written(Metadata&) override { plain_writes_.fetch_add(1); }
  void reference_added(Metadata& metadata, HostCluster host, bool first) override;
  void reference_dropped(Metadata& metadata, qcow2::Owner owner, HostCluster host,
                         std::uint64_t left) override;
  void became_only_owner(Metadata& metadata, qcow2::Owner owner, HostCluster host) override;
  // --- HintTables: the dedup table ---
  bool wants_write_back() const override { return table_.wants_write_back(); }
  Result<void> prepare_write_back(Metadata& metadata) override;
  std::size_t waiting_changes() const override { return table_.waiting_changes(); }
  std::vector<qcow2::TableWrite> begin_write_back() override { return table_.begin_write_back(); }
  void end_write_back(const std::vector<qcow2::TableWrite>& writes, bool durable) override {
    table_.end_write_back(writes, durable);
  }
  void table_lost(Metadata& metadata, const qcow2::TableWrite& write,
                  const block::Error& why) override;
  // --- ImageFeature ---
  void before_first_change(Metadata& metadata) override;
  void at_clean_close(Metadata& metadata) override;

private:
  // For share(). Returns false if the candidate must not get another owner.
  Result<bool> take_reference(Metadata& metadata, HostCluster candidate, const Entry& entry);
  // Ensures that no L2 entry carries COPIED for the candidate, which has `references` references.
  // Returns false if that cannot be ensured.
  bool clear_copied(Metadata& metadata, HostCluster candidate, const Entry& entry,
                    std::uint64_t references);
  // What the table records of an owner: nothing, unless it belongs to the recorded root.
  std::optional<GuestOffset> first_owner(qcow2::Owner owner) const;
  Result<void> enter_table(Metadata& metadata);
  // Makes a new place of the table's L1 durable in the header.
  Result<void> store_place(Metadata& metadata, HostOffset offset, std::uint32_t entries);
  // Called when the whole table is unusable: from now on there is no table.
  void abandon_table(Metadata& metadata, const block::Error& why);
  void report_loss(const std::string& what, const block::Error& why);
  void forget_deleted(Metadata& metadata, HostCluster cluster);
  // Called when the table has lost this fingerprint.
  void fingerprint_removed(HostCluster cluster, const dedup::Fingerprint& fingerprint);
  Extension with_status(std::optional<std::uint64_t> scan_mark) const;
  // Returns nothing if the image has no data figures: the clusters were not counted when it was
  // opened.
  std::optional<block::DataFigures> data_figures(Metadata& metadata) const;

  // Constant after construction:
  qcow2::Root& recorded_;
  const dedup::Hasher hasher_;
  const DedupSettings settings_;
  const bool trusted_;
  const OnLoss on_loss_;
  // Deduplication adds references up to this refcount. The other half of the range is left to
  // snapshots.
  const std::uint64_t max_shared_refcount_;

  // Self-synchronising:
  dedup::HashHelper hash_helper_{hasher_};
  std::atomic<bool> paused_;
  std::atomic<bool> index_loaded_{false};
  std::atomic<std::uint64_t> plain_writes_{0};
  dedup::Counters counters_;

  // Guarded by the metadata lock:
  bool loss_reported_ = false;
  Extension extension_; // its `data` is kept up to date while the image is open
  std::optional<std::uint64_t> scan_mark_;
  std::unique_ptr<dedup::Index> index_;
  DedupTable table_;
  dedup::InFlight in_flight_;
};

} // namespace qcow2_dedup

#endif
