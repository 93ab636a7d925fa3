// What drivers tell about an image: block status, driver facts, check reports, deduplication
// figures.
#ifndef BLOCK_INFO_H
#define BLOCK_INFO_H

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace block {

// The state of a run of bytes that begins at the asked offset.
struct BlockStatus {
  std::uint64_t bytes = 0; // how far the answer holds
  // Only in a driver's answer: the driver stores nothing of its own there, and what child "file"
  // has at host_offset is what the node has. The node layer asks the child; nothing else need be
  // set.
  bool as_child = false;
  bool allocated = false;  // this node supplies the content, not its backing file
  bool zero = false;       // reads as zeros
  bool data = false;       // content is stored somewhere
  bool compressed = false; // stored compressed; host_offset then is not a place to read from
  // Where the run lies in one piece, in bytes of the file that the answering driver keeps it in:
  // its child "file", or itself if it is a protocol. A zero run has one if it keeps its place
  // there.
  std::optional<std::uint64_t> host_offset;
  // How many guest places share each cluster of the run; 1 = not shared, 0 = not known.
  std::uint64_t owners = 0;
};

// A small tree of facts for `info`, printed in this order by people's tools and as an object in
// JSON.
struct InfoField;
using InfoFields = std::vector<InfoField>;
struct InfoValue {
  std::variant<bool, std::uint64_t, double, std::string, InfoFields> value;
};
// Not a std::pair: clang 14 cannot complete one that holds itself in a list.
struct InfoField {
  std::string name;
  InfoValue value;
};

// What an image holds and what that takes, counted from its references.
struct DataFigures {
  // Of guest clusters that name a host cluster: what the image would store without sharing.
  std::uint64_t data_bytes = 0;
  std::uint64_t stored_bytes = 0; // of the host clusters that they name, each counted once
  std::uint64_t free_bytes = 0;   // within the file, for what is stored next

  bool operator==(const DataFigures&) const = default;
  std::uint64_t saved_bytes() const {
    return data_bytes > stored_bytes ? data_bytes - stored_bytes : 0;
  }
  // Data to what is stored; 1 if nothing is stored.
  double ratio() const {
    return stored_bytes == 0 ? 1
                             : static_cast<double>(data_bytes) / static_cast<double>(stored_bytes);
  }
  // Named as in QMP.
  InfoFields fields() const {
    return {{"data-bytes", {data_bytes}},
            {"stored-bytes", {stored_bytes}},
            {"saved-bytes", {saved_bytes()}},
            {"ratio", {ratio()}},
            {"free-bytes", {free_bytes}}};
  }
};

struct DriverInfo {
  std::uint64_t cluster_size = 0; // bytes; 0 = the driver has no clusters
  bool dirty = false;             // not closed cleanly; a writable open repairs it
  bool corrupt = false;
  std::string backing_filename; // as the image says it; empty = none
  std::string backing_format;   // as the image says it; empty = not said
  InfoFields format_specific;   // keys as in QMP: "lazy-refcounts"
};

// What to do about what check finds.
struct CheckRequest {
  bool repair_leaks = false;
  bool repair_errors = false; // with leaks: everything that can be mended
  // Also read the data and compare it with what the image stores to recognise it by: hashes of
  // deduplication. An image that stores no such thing is checked as without. Takes as long as
  // reading all of the data; an algorithm that cannot be computed is ErrorKind::unsupported.
  bool deep = false;
  // One line a finding, as people read it, without line feed. On the checking thread; may be empty.
  std::function<void(const std::string&)> report;
  std::function<void(std::uint64_t done, std::uint64_t total)> progress; // may be empty
};

struct CheckReport {
  std::uint64_t corruptions = 0;  // found and not repaired
  std::uint64_t leaks = 0;        // clusters counted but not used, not freed
  std::uint64_t check_errors = 0; // things that could not be examined
  // Corruptions and leaks are what an unclean end leaves: opening for writing repairs all of them,
  // and no data is lost.
  bool unclean_end_only = false;
  std::uint64_t corruptions_fixed = 0;
  std::uint64_t leaks_fixed = 0;
  std::uint64_t image_end_offset = 0; // bytes: end of the last cluster in use
  std::uint64_t total_clusters = 0;   // guest clusters of the virtual disk
  std::uint64_t allocated_clusters = 0;
  std::uint64_t fragmented_clusters = 0;
  std::uint64_t compressed_clusters = 0;
  std::uint64_t compared_clusters = 0; // of the file, with what CheckRequest::deep compares
  std::optional<DataFigures> data;     // of a deduplicated image
};

// starting: the index is being loaded. resuming: new writes are deduplicated, and the scan works
// off what was stored without.
enum class DedupStatus { starting, resuming, running, paused };

// The scan deduplicates what was stored while deduplication did not run, in the background.
enum class DedupScanState { idle, running, paused };

struct DedupScan {
  DedupScanState state = DedupScanState::idle;
  std::uint64_t done_bytes = 0;  // guest bytes that it has looked at, from the disk's beginning on
  std::uint64_t total_bytes = 0; // guest bytes of the disk
  std::uint64_t rate = 0;        // bytes that it reads in a second at most; 0 = no limit
  std::uint64_t begun = 0;       // how often it has begun since open
  std::string error;             // why it ended before the disk's end; empty = it did not
};

// Counters are since open unless they say otherwise. docs/user/counters.md tells which decision each one
// counts.
struct DedupInfo {
  DedupStatus status = DedupStatus::running;
  std::string algorithm; // "sha256"
  bool verify = false;   // every match is confirmed by comparing bytes
  bool table_trusted =
      true; // false after an unclean close: matches against old entries are confirmed
  std::uint64_t cluster_size = 0; // bytes
  // As of now, not since open. Nothing: the file does not tell, as while another program writes it.
  std::optional<DataFigures> data;
  std::uint64_t written_bytes = 0;           // guest bytes that writes covered
  std::uint64_t file_written_bytes = 0;      // bytes of data clusters written to the file
  std::uint64_t deduplicated_clusters = 0;   // clusters that a write linked to existing content
  std::uint64_t undeduplicated_clusters = 0; // clusters that a write stored as new content
  std::uint64_t zero_clusters = 0; // clusters that a write of zeros turned into zero mappings
  std::uint64_t missing_data_reads =
      0; // reads for the rest of a cluster that a write covers in part
  std::uint64_t hashes_created = 0;
  std::uint64_t hashes_removed = 0;
  std::uint64_t deleted_clusters = 0; // data clusters that lost their last owner
  std::uint64_t refcount_overflows =
      0; // duplicates stored again because the refcount threshold was reached
  std::uint64_t verify_reads = 0;
  std::uint64_t verify_mismatches = 0;
  std::uint64_t cache_hits = 0; // dedup block cache
  std::uint64_t cache_misses = 0;
  std::uint64_t cache_bytes = 0;   // memory the dedup block cache uses now
  std::uint64_t index_entries = 0; // clusters the index knows now
  std::uint64_t index_bytes = 0;   // memory the index uses now
  std::uint64_t index_limit = 0;   // memory it may use; 0: no limit
  DedupScan scan;
  // Guest clusters that the scan still has to look at: no more than so many are left to
  // deduplicate.
  std::uint64_t unscanned_clusters = 0;
  std::uint64_t scanned_clusters = 0; // clusters that the scan read and hashed
  // ... of which so many became references to content that is stored elsewhere, or zeros
  std::uint64_t scan_deduplicated_clusters = 0;
};

} // namespace block

#endif
