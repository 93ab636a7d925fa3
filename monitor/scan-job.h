// The background scan of a node, seen as a QMP job.
#ifndef MONITOR_SCAN_JOB_H
#define MONITOR_SCAN_JOB_H

#include "block/info.h"
#include "qapi/types.h"

#include <optional>
#include <string>
#include <string_view>

namespace monitor {

// The id of a node's job; the node of a job's id, or nothing if no job has such an id.
std::string scan_job_id(std::string_view node_name);
std::optional<std::string> node_of_scan_job(std::string_view id);

// Nothing if there is no job now.
std::optional<qapi::JobStatus> scan_job_status(const block::DedupScan& scan);

} // namespace monitor

#endif
