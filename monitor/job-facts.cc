// Facts of jobs.
#include "monitor/job-facts.h"

#include "qapi/marshal.h"

namespace monitor {

qapi::JobStatus job_status(block::JobStatus status) {
  switch (status) {
  case block::JobStatus::created:
    return qapi::JobStatus::created;
  case block::JobStatus::running:
    return qapi::JobStatus::running;
  case block::JobStatus::paused:
    return qapi::JobStatus::paused;
  case block::JobStatus::aborting:
    return qapi::JobStatus::aborting;
  case block::JobStatus::concluded:
    return qapi::JobStatus::concluded;
  case block::JobStatus::null:
    break;
  }
  return qapi::JobStatus::null;
}

block::Result<qapi::JobInfo> job_facts(const block::Job& job) {
  qapi::JobInfo facts;
  facts.id = job.id();
  if (!find_value(job.type(), facts.type))
    return block::Error(block::ErrorKind::unsupported,
                        "Job '" + job.id() + "' has an unknown type '" + job.type() + "'");
  facts.status = job_status(job.status());
  const block::JobProgress progress = job.progress();
  facts.current_progress = progress.current;
  facts.total_progress = progress.total;
  return facts;
}

} // namespace monitor
