// Facts of jobs: from the block layer's types to the schema's.
#ifndef MONITOR_JOB_FACTS_H
#define MONITOR_JOB_FACTS_H

#include "block/job.h"
#include "qapi/types.h"

namespace monitor {

qapi::JobStatus job_status(block::JobStatus status);
// Errors: unsupported, if the schema does not have the job's type.
block::Result<qapi::JobInfo> job_facts(const block::Job& job);

} // namespace monitor

#endif
