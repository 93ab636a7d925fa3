// Deduplicator: the facts about the content of one image's clusters, and the code that keeps these
// facts correct.
#ifndef BLOCK_QCOW2_DEDUP_DEDUPLICATOR_H
#define BLOCK_QCOW2_DEDUP_DEDUPLICATOR_H

#include "block/dedup/hash-helper.h"
#include "block/dedup/in-flight.h"
#include "block/dedup/index.h"
#include "block/dedup/lookups.h"
#include "block/qcow2-dedup/table/dedup-table.h"
#include "block/qcow2/disk.h"

#include <atomic>

namespace qcow2_dedup {

struct DedupSettings {
  std::uint64_t cache_bytes = 64u << 20; // dedup block cache
  std::uint64_t index_bytes = 0;         // memory limit of the index; 0: no limit
  bool verify = false;                   // compare bytes before sharing
  bool detect_zeroes = true;             // writes of zeros become zero entries
};

// The image's client. Functions and members marked so are guarded by the image's metadata lock.
class Deduplicator final : public qcow2::ImageClient {
public:
  // Called once, with the metadata lock held, when a part of the table is lost. The text names the
  // part and the reason.
  using OnLoss = std::function<void(const std::string&)>;

  // `trusted`: the table was closed cleanly. Otherwise every match is confirmed by comparing bytes,
  // in this session and in later ones, because an entry may be older than its cluster. Image and
  // disk must outlive this object.
  Deduplicator(qcow2::Disk& disk, Extension extension, dedup::Hasher hasher, DedupSettings settings,
               bool trusted, OnLoss on_loss);

  // Reads the dedup table's L1. If the table cannot be read or overlaps other metadata, it is lost:
  // a new table is begun, and the function returns false.
  bool load() EXCLUDES(disk.image.metadata_mutex);

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
  void set_scan_mark(std::optional<std::uint64_t> position) EXCLUDES(disk.image.metadata_mutex);
  block::DedupInfo info() EXCLUDES(disk.image.metadata_mutex);
  // Returns nothing if the image has no data figures: the clusters were not counted when it was
  // opened.
  std::optional<block::DataFigures> data_figures() EXCLUDES(disk.image.metadata_mutex);
  // Returns whether the file holds the present status: paused or not, and the position of the scan.
  bool status_is_stored() EXCLUDES(disk.image.metadata_mutex);
  // Returns the header extension, with the status as a close would store it if the scan has work to
  // do from `scan_mark` on.
  Extension extension(std::optional<std::uint64_t> scan_mark) EXCLUDES(disk.image.metadata_mutex);

  // --- For the write path; the caller must hold the metadata lock ---
  // Returns a stored cluster with this content. One reference is taken for the caller, and COPIED
  // of its first owner is cleared. Returns nothing if there is none, or if its refcount has reached
  // the threshold. `likely` is tried first: duplicates come in runs, so the cluster after the last
  // match is often the next match, and its entry is in memory.
  Result<std::optional<HostCluster>> share(dedup::Lookups::Lookup content,
                                           std::optional<HostCluster> likely)
      REQUIRES(disk.image.metadata_mutex);
  // Returns whether the table records this content for the cluster.
  bool holds(HostCluster cluster, dedup::Lookups::Lookup content)
      REQUIRES(disk.image.metadata_mutex);
  // Records the fingerprint of a cluster whose content is written and linked. `owner` is a guest
  // cluster that names it, with COPIED if it is the only one.
  void remember(HostCluster cluster, const dedup::Fingerprint& fingerprint, GuestCluster owner)
      REQUIRES(disk.image.metadata_mutex);
  // Returns whether a data cluster that the mapping names has no fingerprint and may have one.
  Result<bool> lacks_fingerprint(HostCluster cluster) REQUIRES(disk.image.metadata_mutex);
  // Gives back the reference that share() took.
  void unshare(HostCluster cluster) REQUIRES(disk.image.metadata_mutex);
  // Removes the cluster's entry from the table, because it no longer applies.
  void forget(HostCluster cluster) REQUIRES(disk.image.metadata_mutex);
  dedup::InFlight& in_flight() REQUIRES(disk.image.metadata_mutex) { return in_flight_; }
  dedup::Index& index() REQUIRES(disk.image.metadata_mutex) { return *index_; }
  DedupTable& table() REQUIRES(disk.image.metadata_mutex) { return table_; }

  const dedup::Hasher& hasher() const { return hasher_; }
  dedup::HashHelper& hash_helper() { return hash_helper_; }
  dedup::Counters& counters() { return counters_; }
  // Counts that `clusters` data clusters were written to the file.
  void count_stored(std::uint64_t clusters) {
    counters_.file_written_bytes.add(clusters << disk.image.cluster_size().bits());
  }
  bool detects_zeroes() const { return settings_.detect_zeroes; }
  // Returns whether a match must be confirmed by comparing bytes.
  bool confirms_matches() const { return settings_.verify || !trusted_ || hasher_.collides(); }
  // Returns whether a match must be on the medium, too. Clusters in a trusted table need no such
  // test. Either they were durable before the table was, or they are of this session, in which no
  // flush succeeds after a write was lost.
  bool distrusts_page_cache() const { return !trusted_; }

  qcow2::Disk& disk;

  // --- ImageClient ---
  void content_changes(HostCluster cluster) override;
  void clusters_allocated(HostCluster first, std::uint64_t clusters) override;
  void content_unreadable(HostCluster first, std::uint64_t clusters) override;
  void data_written() override { plain_writes_.fetch_add(1); }
  void reference_added(HostCluster host, bool first) override;
  void reference_dropped(GuestCluster guest, HostCluster host, std::uint64_t left) override;
  void became_only_owner(GuestCluster guest, HostCluster host) override;
  Result<void> before_first_change(qcow2::Header& header) override;
  bool wants_write_back() const override;
  Result<void> prepare_write_back() override;
  std::size_t waiting_changes() const override;
  std::vector<qcow2::TableWrite> begin_write_back() override;
  void end_write_back(const std::vector<qcow2::TableWrite>& writes, bool written) override;
  void table_lost(const qcow2::TableWrite& write, const block::Error& why) override;
  void at_clean_close(qcow2::Header& header) override;

private:
  // For share(). Returns false if the candidate must not get another owner.
  Result<bool> take_reference(HostCluster candidate, const Entry& entry)
      REQUIRES(disk.image.metadata_mutex);
  // Ensures that no L2 entry carries COPIED for the candidate, which has `references` references.
  // Returns false if that cannot be ensured.
  bool clear_copied(HostCluster candidate, const Entry& entry, std::uint64_t references)
      REQUIRES(disk.image.metadata_mutex);
  Result<void> enter_table() REQUIRES(disk.image.metadata_mutex);
  // Called when the whole table is unusable: from now on there is no table.
  void abandon_table(const block::Error& why) REQUIRES(disk.image.metadata_mutex);
  void tell_of_loss(const std::string& what, const block::Error& why)
      REQUIRES(disk.image.metadata_mutex);
  void forget_deleted(HostCluster cluster) REQUIRES(disk.image.metadata_mutex);
  // Called when the table has lost this fingerprint.
  void fingerprint_removed(HostCluster cluster, const dedup::Fingerprint& fingerprint)
      REQUIRES(disk.image.metadata_mutex);
  Extension with_status(std::optional<std::uint64_t> scan_mark) const
      REQUIRES(disk.image.metadata_mutex);

  const dedup::Hasher hasher_;
  dedup::HashHelper hash_helper_{hasher_};
  const DedupSettings settings_;
  const bool trusted_;
  const OnLoss on_loss_;
  bool told_of_loss_ GUARDED_BY(disk.image.metadata_mutex) = false;
  // Deduplication adds references up to this refcount. The other half of the range is left to
  // snapshots.
  const std::uint64_t max_shared_refcount_;
  std::atomic<bool> paused_;
  std::atomic<bool> index_loaded_{false};
  std::atomic<std::uint64_t> plain_writes_{0};
  dedup::Counters counters_;

  // Its `data` is kept up to date while the image is open.
  Extension extension_ GUARDED_BY(disk.image.metadata_mutex);
  std::optional<std::uint64_t> scan_mark_ GUARDED_BY(disk.image.metadata_mutex);
  std::unique_ptr<dedup::Index> index_ GUARDED_BY(disk.image.metadata_mutex);
  DedupTable table_ GUARDED_BY(disk.image.metadata_mutex);
  dedup::InFlight in_flight_ GUARDED_BY(disk.image.metadata_mutex);
};

} // namespace qcow2_dedup

#endif
