// Handlers: jobs, which are the background scans of deduplicated nodes.
#include "monitor/command-context.h"
#include "monitor/scan-job.h"
#include "qapi/commands.h"

namespace qapi {
namespace {

using block::Error;
using block::ErrorKind;
using block::Result;

// The node and its scan as they are now. Errors: there is no such job.
Result<std::shared_ptr<block::Node>> node_of_job(monitor::CommandContext& context,
                                                 const std::string& id, JobStatus& status) {
  std::optional<std::string> name = monitor::node_of_scan_job(id);
  std::shared_ptr<block::Node> node = name ? context.graph.find(*name) : nullptr;
  Result<block::DedupInfo> facts =
      node ? node->query_dedup() : Result<block::DedupInfo>(Error(ErrorKind::not_dedup, ""));
  std::optional<JobStatus> found = facts ? monitor::scan_job_status(facts->scan) : std::nullopt;
  if (!found) return Error(ErrorKind::not_found, "Job not found: '" + id + "'");
  status = *found;
  return node;
}

} // namespace

Result<std::vector<JobInfo>> qmp_query_jobs(monitor::CommandContext& context) {
  std::vector<JobInfo> jobs;
  for (const auto& node : context.graph.nodes()) {
    Result<block::DedupInfo> facts = node->query_dedup();
    if (!facts) continue; // not deduplicated
    if (auto status = monitor::scan_job_status(facts->scan))
      jobs.push_back({.id = monitor::scan_job_id(node->name()),
                      .type = JobType::dedup,
                      .status = *status,
                      .current_progress = facts->scan.done_bytes,
                      .total_progress = facts->scan.total_bytes});
  }
  return jobs;
}

Result<void> qmp_job_pause(monitor::CommandContext& context, JobPauseArguments arguments) {
  JobStatus status;
  BLOCK_TRY_ASSIGN(auto node, node_of_job(context, arguments.id, status));
  if (status == JobStatus::paused)
    return Error(ErrorKind::invalid_argument, "Job '" + arguments.id + "' is already paused");
  return node->control_dedup_scan(block::DedupScanControl::pause);
}

Result<void> qmp_job_resume(monitor::CommandContext& context, JobResumeArguments arguments) {
  JobStatus status;
  BLOCK_TRY_ASSIGN(auto node, node_of_job(context, arguments.id, status));
  if (status != JobStatus::paused)
    return Error(ErrorKind::invalid_argument, "Job '" + arguments.id + "' is not paused");
  return node->control_dedup_scan(block::DedupScanControl::resume);
}

Result<void> qmp_job_cancel(monitor::CommandContext& context, JobCancelArguments arguments) {
  JobStatus status;
  BLOCK_TRY_ASSIGN(auto node, node_of_job(context, arguments.id, status));
  return node->control_dedup_scan(block::DedupScanControl::cancel);
}

} // namespace qapi
