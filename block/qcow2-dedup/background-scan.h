// BackgroundScan: the work of the scan, which deduplicates, while the guest works, the data that
// was stored without deduplication. The job is dedup::Scanner::Run.
//
// Such clusters carry no mark: they are the data clusters whose entry in the dedup table is empty.
// The scan walks over the mapping in guest order, looks the entries up, and hashes the clusters
// without entry. It locks the guest clusters of a batch as a write does. So a guest write waits for
// one batch at most, and the scan never replaces what a guest writes.
#ifndef BLOCK_QCOW2_DEDUP_BACKGROUND_SCAN_H
#define BLOCK_QCOW2_DEDUP_BACKGROUND_SCAN_H

#include "block/dedup/scanner.h"
#include "block/driver.h"
#include "block/node.h"
#include "block/qcow2-dedup/deduplicator.h"
#include "block/qcow2/disk.h"

#include <mutex>
#include <optional>
#include <vector>

namespace qcow2_dedup {

// All functions may be called on any thread.
class BackgroundScan final : private dedup::ScanWork {
public:
  // `position`: the guest cluster from which on there is work to do; nothing = no work. `rate`:
  // bytes per second that may be read; 0 = no limit. Node, deduplicator and disk must outlive
  // this object.
  BackgroundScan(block::Node& node, Deduplicator& dedup, qcow2::Disk& disk,
                 std::optional<std::uint64_t> position, std::uint64_t rate);

  // Starts the scan if there is anything to do. Called when deduplication runs (again), or when the
  // index has been loaded.
  void begin(const block::ResumeDedup& how = {});
  // Stops the scan. Called when deduplication is paused.
  void cancel();
  // Stops the scan and ends the thread. Returns mark().
  std::optional<std::uint64_t> stop();
  // Returns the guest cluster from which on there is work left, or nothing.
  std::optional<std::uint64_t> mark() const;

  block::DedupStatus status() const;
  // Sets the status and the members that concern the scan.
  void fill(block::DedupInfo& info) const;

private:
  struct Batch {
    std::vector<GuestCluster> clusters; // those without fingerprint
    GuestCluster next;                  // where the next batch begins
  };

  // The work of step(), whose errors step() reports to the node.
  Result<Step> share_batch(std::uint64_t position);
  Result<Batch> find_batch(GuestCluster first);
  std::uint64_t first_unscanned() const;

  Result<Step> step(std::uint64_t position) override;
  std::uint64_t end() const override;
  block::JobProgress progress(std::uint64_t position) const override;
  std::uint64_t guest_requests() const override;
  bool reached_end(std::uint64_t start) override;
  void state_changed() override;

  block::Node& node_;
  Deduplicator& dedup_;
  qcow2::Disk& disk_;
  // Held while the scanner is started or cancelled, so that the scanner never runs while
  // deduplication is paused.
  mutable std::mutex mutex_;
  // Guarded by mutex_:
  bool pending_;                     // there is work to do from the scanner's position on
  std::uint64_t covered_writes_ = 0; // value of plain_writes() up to which the scan accounts for
                                     // plain writes; later ones require a scan from 0
  dedup::Scanner scanner_;           // last member: its thread uses the others
};

} // namespace qcow2_dedup

#endif
