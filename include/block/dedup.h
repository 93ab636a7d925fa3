// DedupOperations: control of deduplication, the capability of a driver that deduplicates.
#ifndef BLOCK_DEDUP_H
#define BLOCK_DEDUP_H

#include "block/info.h"
#include "block/result.h"

#include <cstdint>
#include <optional>

namespace block {

class Node;

// How deduplication continues after a pause.
struct ResumeDedup {
  // true: scan the whole disk. false: scan only what may have been stored without deduplication.
  bool scan_all = false;
  // Bytes per second that the scan may read at most; 0 = no limit. Not set: the limit stays as it
  // is.
  std::optional<std::uint64_t> scan_rate;
};

// Every entry is required. The node layer calls them one at a time for a node, on the monitor's
// thread or a tool's, while requests run. They must not wait for a request, but may wait for the
// driver's locks. query() may do I/O: of a read-only qcow2 node it reads and hashes tables. Errors:
// not_deduplicated(), if this node's image is not deduplicated; permission, if the node is
// read-only (not of query).
struct DedupOperations {
  // New writes are stored without deduplication, and the scan stops.
  Result<void> (*pause)(Node& node);
  // Resumes deduplication, and starts the scan if anything may have been stored without
  // deduplication. The scan is a job of type "dedup" in Node::jobs(). A call while deduplication
  // runs succeeds and applies `how`.
  Result<void> (*resume)(Node& node, const ResumeDedup& how);
  // Returns the present figures.
  Result<DedupInfo> (*query)(Node& node);
};

// Returns the error not_dedup of a request for a node without deduplication.
Error not_deduplicated(const Node& node);

} // namespace block

#endif
