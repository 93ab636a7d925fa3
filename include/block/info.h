// Facts about an image that drivers return: block status, driver facts, check reports,
// deduplication figures.
#ifndef BLOCK_INFO_H
#define BLOCK_INFO_H

#include "block/dedup-counter-list.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace block {

// The state of a run of bytes that begins at the requested offset.
struct BlockStatus {
  std::uint64_t bytes = 0; // length of the run
  // Only in a driver's result: the driver stores nothing of its own there, and the node's content
  // is that of the child "file" at host_offset. The node layer asks the child; no other member
  // needs to be set.
  bool as_child = false;
  bool allocated = false;  // this node supplies the content, not its backing file
  bool zero = false;       // reads as zeros
  bool data = false;       // content is stored somewhere
  bool compressed = false; // stored compressed; host_offset then is no offset to read from
  // Offset of the run, which is in one piece there, in bytes of the file where the driver stores
  // it: its child "file", or itself if it is a protocol. A zero run has an offset if it keeps its
  // allocation there.
  std::optional<std::uint64_t> host_offset;
  // How many references each host cluster of the run has; 1 = not shared, 0 = not known.
  std::uint64_t owners = 0;
};

// A small tree of facts for `info`: printed in this order as text, and as an object in JSON.
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

// The amount of data in an image and the space that it takes, computed from the image's references.
struct DataFigures {
  // Bytes of guest clusters that refer to a host cluster: the space that they would take without
  // sharing.
  std::uint64_t data_bytes = 0;
  // Bytes of the host clusters that they refer to, each counted once.
  std::uint64_t stored_bytes = 0;
  std::uint64_t free_bytes = 0; // bytes of free clusters within the file, available for new data

  bool operator==(const DataFigures&) const = default;
  std::uint64_t saved_bytes() const {
    return data_bytes > stored_bytes ? data_bytes - stored_bytes : 0;
  }
  // data_bytes divided by stored_bytes; 1 if nothing is stored.
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
  bool dirty = false;             // not closed cleanly; opening it for writing repairs it
  bool corrupt = false;
  std::string backing_filename; // as stored in the image; empty = none
  std::string backing_format;   // as stored in the image; empty = not stored
  InfoFields format_specific;   // keys as in QMP: "lazy-refcounts"
};

// What check does with its findings.
struct CheckRequest {
  bool repair_leaks = false;
  bool repair_errors = false; // includes leaks: everything that can be repaired
  // Also reads the data and compares it with the stored facts by which it is recognised: the hashes
  // of deduplication. An image without such facts gets the normal check. Takes as long as reading
  // all of the data. Error: unsupported, if the hash algorithm cannot be computed.
  bool deep = false;
  // Called with one line for each finding, as text for the user, without line feed. On the checking
  // thread; may be empty.
  std::function<void(const std::string&)> report;
  std::function<void(std::uint64_t done, std::uint64_t total)> progress; // may be empty
};

struct CheckReport {
  std::uint64_t corruptions = 0;  // found and not repaired
  std::uint64_t leaks = 0;        // clusters that are counted but not used and that were not freed
  std::uint64_t check_errors = 0; // things that could not be examined
  // true: all corruptions and leaks are of the kind that an unclean end leaves. Opening the image
  // for writing repairs all of them, and no data is lost.
  bool unclean_end_only = false;
  std::uint64_t corruptions_fixed = 0;
  std::uint64_t leaks_fixed = 0;
  std::uint64_t image_end_offset = 0; // bytes: end of the last cluster in use
  std::uint64_t total_clusters = 0;   // guest clusters of the virtual disk
  std::uint64_t allocated_clusters = 0;
  std::uint64_t fragmented_clusters = 0;
  std::uint64_t compressed_clusters = 0;
  std::uint64_t compared_clusters = 0; // host clusters compared as CheckRequest::deep asks
  std::optional<DataFigures> data;     // of a deduplicated image
};

// starting: the index is being loaded. resuming: new writes are deduplicated, and the scan
// processes what was stored without deduplication.
enum class DedupStatus { starting, resuming, running, paused };

// The scan runs in the background. It deduplicates data that was stored while deduplication did not
// run.
enum class DedupScanState { idle, running, paused };

struct DedupScan {
  DedupScanState state = DedupScanState::idle;
  std::uint64_t done_bytes = 0;  // guest bytes scanned, from the disk's beginning on
  std::uint64_t total_bytes = 0; // guest bytes of the disk
  std::uint64_t rate = 0;        // bytes per second that it reads at most; 0 = no limit
  std::string error;             // why it ended before the disk's end; empty = it did not
};

// Figures of deduplication of one image. docs/user/counters.md explains each of them.
struct DedupInfo {
  DedupStatus status = DedupStatus::running;
  std::string algorithm; // "sha256"
  bool verify = false;   // every match is confirmed by comparing bytes
  // false after an unclean close: then every match is confirmed by comparing bytes
  bool table_trusted = true;
  std::uint64_t cluster_size = 0; // bytes
  // Figures of the present moment, not since open. Not set: the file does not supply them, for
  // example while another program writes it.
  std::optional<DataFigures> data;
#define BLOCK_DEDUP_MEMBER(name, documentation) std::uint64_t name = 0;
  BLOCK_DEDUP_COUNTERS(BLOCK_DEDUP_MEMBER)
#undef BLOCK_DEDUP_MEMBER
  std::uint64_t cache_bytes = 0;   // memory that the dedup block cache uses now
  std::uint64_t index_entries = 0; // clusters in the index now
  std::uint64_t index_bytes = 0;   // memory that the index uses now
  std::uint64_t index_limit = 0;   // memory that the index may use; 0: no limit
  DedupScan scan;
  // Guest clusters that the scan has not processed yet: an upper bound of those left to
  // deduplicate.
  std::uint64_t unscanned_clusters = 0;
};

} // namespace block

#endif
