// The decisions of deduplication, counted. docs/user/counters.md explains them to users.
#ifndef BLOCK_DEDUP_COUNTERS_H
#define BLOCK_DEDUP_COUNTERS_H

#include "block/info.h"

#include <atomic>
#include <cstdint>

namespace dedup {

// A number that many threads add to. Relaxed memory order: it only counts, and orders no other
// memory access.
class Counter {
public:
  void add(std::uint64_t amount = 1) { value_.fetch_add(amount, std::memory_order_relaxed); }
  std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

private:
  std::atomic<std::uint64_t> value_{0};
};

// Counts since open. No lock needed; figures read together may differ by the requests in flight.
struct Counters {
  Counter written_bytes;              // guest bytes that a write request covered
  Counter file_written_bytes;         // bytes of data clusters written to the file
  Counter deduplicated_clusters;      // a write was linked to content that is stored already
  Counter undeduplicated_clusters;    // a write found no such content and stored its own
  Counter zero_clusters;              // a write of zeros became a zero mapping
  Counter missing_data_reads;         // the rest of a partly covered cluster was read
  Counter hashes_created;             // a fingerprint was entered into table and index
  Counter hashes_removed;             // a fingerprint was taken out of them
  Counter deleted_clusters;           // a data cluster lost its last owner and was freed
  Counter refcount_overflows;         // a duplicate was stored again: refcount threshold reached
  Counter verify_reads;               // a match was confirmed by reading the candidate
  Counter verify_mismatches;          // ... and the bytes differed
  Counter scanned_clusters;           // the scan read and hashed a cluster
  Counter scan_deduplicated_clusters; // ... and found its content elsewhere, or zeros
  Counter cache_hits;                 // a hash block was found in the dedup block cache
  Counter cache_misses;               // ... and had to be read

  // Sets the members of the same names; leaves the rest of `info` unchanged.
  void fill(block::DedupInfo& info) const {
    info.written_bytes = written_bytes.value();
    info.file_written_bytes = file_written_bytes.value();
    info.deduplicated_clusters = deduplicated_clusters.value();
    info.undeduplicated_clusters = undeduplicated_clusters.value();
    info.zero_clusters = zero_clusters.value();
    info.missing_data_reads = missing_data_reads.value();
    info.hashes_created = hashes_created.value();
    info.hashes_removed = hashes_removed.value();
    info.deleted_clusters = deleted_clusters.value();
    info.refcount_overflows = refcount_overflows.value();
    info.verify_reads = verify_reads.value();
    info.verify_mismatches = verify_mismatches.value();
    info.scanned_clusters = scanned_clusters.value();
    info.scan_deduplicated_clusters = scan_deduplicated_clusters.value();
    info.cache_hits = cache_hits.value();
    info.cache_misses = cache_misses.value();
  }
};

} // namespace dedup

#endif
