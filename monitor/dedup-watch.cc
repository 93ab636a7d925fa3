// DedupWatch: from states that follow each other to events.
#include "monitor/dedup-watch.h"

#include "monitor/node-facts.h"
#include "monitor/scan-job.h"
#include "qapi/marshal.h"

namespace monitor {

using qapi::JobStatus;

void DedupWatch::look_at(const std::string& node_name, const std::optional<block::DedupInfo>& now) {
  if (!now) {
    auto known = known_.extract(node_name);
    if (known && known.mapped().job) tell_end_of_job(node_name, false);
    return;
  }
  Known& known = known_[node_name];
  const std::optional<JobStatus> job = scan_job_status(now->scan);
  if (now->scan.begun != known.scans) {
    if (known.job) tell_end_of_job(node_name, false);
    known.scans = now->scan.begun;
    tell_job(node_name, JobStatus::created);
    known.job = JobStatus::created;
  }
  if (known.job && job && known.job != job) tell_job(node_name, *job);
  if (known.status != now->status)
    tell_(qapi::event_of(qapi::BlockDedupStatusChangedEvent{.node_name = node_name,
                                                            .status = dedup_status(now->status)}));
  known.status = now->status;
  if (known.job && !job) tell_end_of_job(node_name, now->unscanned_clusters == 0);
  known.job = job;
}

void DedupWatch::tell_job(const std::string& node_name, JobStatus status) {
  tell_(qapi::event_of(qapi::JobStatusChangeEvent{.id = scan_job_id(node_name), .status = status}));
}

void DedupWatch::tell_end_of_job(const std::string& node_name, bool complete) {
  if (!complete) tell_job(node_name, JobStatus::aborting);
  tell_job(node_name, JobStatus::concluded);
  tell_job(node_name, JobStatus::null);
}

} // namespace monitor
