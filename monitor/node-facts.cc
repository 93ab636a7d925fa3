// Converts facts of nodes from types of the block layer to types of the schema.
#include "monitor/node-facts.h"

#include "block/graph.h"

namespace monitor {

block::Result<std::shared_ptr<block::Node>> find_node(const block::Graph& graph,
                                                      const std::string& name) {
  std::shared_ptr<block::Node> node = graph.find(name);
  if (node) return node;
  return block::Error(block::ErrorKind::device_not_found, "Cannot find device '" + name + "'");
}

qapi::DedupStatus dedup_status(block::DedupStatus status) {
  switch (status) {
  case block::DedupStatus::starting:
    return qapi::DedupStatus::starting;
  case block::DedupStatus::resuming:
    return qapi::DedupStatus::resuming;
  case block::DedupStatus::running:
    return qapi::DedupStatus::running;
  case block::DedupStatus::paused:
    return qapi::DedupStatus::paused;
  }
  return qapi::DedupStatus::running;
}

namespace {

qapi::DedupScan scan_facts(const block::DedupScan& scan) {
  qapi::DedupScan facts;
  switch (scan.state) {
  case block::DedupScanState::idle:
    facts.state = qapi::DedupScanState::idle;
    break;
  case block::DedupScanState::running:
    facts.state = qapi::DedupScanState::running;
    break;
  case block::DedupScanState::paused:
    facts.state = qapi::DedupScanState::paused;
    break;
  }
  facts.done_bytes = scan.done_bytes;
  facts.total_bytes = scan.total_bytes;
  facts.rate = scan.rate;
  if (!scan.error.empty()) facts.error = scan.error;
  return facts;
}

} // namespace

block::Result<std::optional<qapi::DedupInfo>> dedup_facts(block::Node& node) {
  auto queried = node.query_dedup();
  if (!queried) {
    if (queried.error().kind() == block::ErrorKind::not_dedup)
      return std::optional<qapi::DedupInfo>();
    return std::move(queried).error();
  }
  const block::DedupInfo& from = *queried;
  qapi::DedupInfo to;
  to.status = dedup_status(from.status);
  to.algorithm = from.algorithm;
  to.verify = from.verify;
  to.table_trusted = from.table_trusted;
  to.cluster_size = from.cluster_size;
  if (from.data) {
    to.data_bytes = from.data->data_bytes;
    to.stored_bytes = from.data->stored_bytes;
    to.saved_bytes = from.data->saved_bytes();
    to.ratio = from.data->ratio();
    to.free_bytes = from.data->free_bytes;
  }
#define COPY_COUNTER(name, documentation) to.name = from.name;
  BLOCK_DEDUP_COUNTERS(COPY_COUNTER)
#undef COPY_COUNTER
  to.cache_bytes = from.cache_bytes;
  to.index_entries = from.index_entries;
  to.index_bytes = from.index_bytes;
  to.index_limit = from.index_limit;
  to.scan = scan_facts(from.scan);
  to.unscanned_clusters = from.unscanned_clusters;
  return std::optional<qapi::DedupInfo>(std::move(to));
}

} // namespace monitor
