// BackgroundScan: deduplicates what an image stored without deduplication, while the guest works.
//
// Nothing marks such clusters: they are the data clusters whose entry in the dedup table is empty.
// The scan walks over the mapping in guest order, looks entries up, and hashes what has none. A
// batch of guest clusters is taken as a write takes them, so a guest's write waits for a batch at
// most, and what it writes stays.
#ifndef BLOCK_QCOW2_DEDUP_BACKGROUND_SCAN_H
#define BLOCK_QCOW2_DEDUP_BACKGROUND_SCAN_H

#include "block/dedup/scanner.h"
#include "block/driver.h"
#include "block/node.h"
#include "block/qcow2-dedup/deduplicator.h"

#include <mutex>
#include <optional>
#include <vector>

namespace qcow2_dedup {

// All functions on any thread.
class BackgroundScan final : private dedup::ScanWork {
public:
  // `position`: the guest cluster from which on there is work to do, or nothing. `rate`: bytes that
  // may be read in a second; 0 = no limit. Node and deduplicator outlive this.
  BackgroundScan(block::Node& node, Deduplicator& dedup, std::optional<std::uint64_t> position,
                 std::uint64_t rate);

  // Deduplication runs (again), or the index has been loaded: begins if there is anything to do.
  void begin(const block::ResumeDedup& how = {});
  // Deduplication is paused.
  void cancel();
  Result<void> control(block::DedupScanControl control);
  // Ends the thread. Returns the mark.
  std::optional<std::uint64_t> stop();
  // The guest cluster from which on there is work left, or nothing.
  std::optional<std::uint64_t> mark() const;

  block::DedupStatus status() const;
  // Fills in the status and what concerns the scan.
  void fill(block::DedupInfo& info) const;

private:
  struct Batch {
    std::vector<GuestCluster> clusters; // without fingerprint
    GuestCluster next;                  // where to go on
  };

  Result<Batch> find_batch(GuestCluster first) EXCLUDES(dedup_.disk.image.metadata_mutex);
  std::uint64_t first_unscanned() const;

  Result<Step> step(std::uint64_t position) override;
  std::uint64_t end() const override;
  std::uint64_t guest_requests() const override;
  void reached_end(std::uint64_t start) override;
  void state_changed() override;

  block::Node& node_;
  Deduplicator& dedup_;
  // Held while the scanner is started or cancelled, so that it never runs when paused.
  mutable std::mutex mutex_;
  // Guarded by mutex_:
  bool pending_;                     // there is work to do from the scanner's position on
  std::uint64_t covered_writes_ = 0; // plain writes since make everything before it work again
  dedup::Scanner scanner_;           // last: its thread uses the others
};

} // namespace qcow2_dedup

#endif
