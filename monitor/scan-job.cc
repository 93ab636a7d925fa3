// Background scans as jobs: ids and states.
#include "monitor/scan-job.h"

namespace monitor {
namespace {

constexpr std::string_view id_prefix = "dedup-";

} // namespace

std::string scan_job_id(std::string_view node_name) {
  return std::string(id_prefix) + std::string(node_name);
}

std::optional<std::string> node_of_scan_job(std::string_view id) {
  if (!id.starts_with(id_prefix)) return std::nullopt;
  return std::string(id.substr(id_prefix.size()));
}

std::optional<qapi::JobStatus> scan_job_status(const block::DedupScan& scan) {
  switch (scan.state) {
  case block::DedupScanState::idle:
    break;
  case block::DedupScanState::running:
    return qapi::JobStatus::running;
  case block::DedupScanState::paused:
    return qapi::JobStatus::paused;
  }
  return std::nullopt;
}

} // namespace monitor
