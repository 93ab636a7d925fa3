// Handlers: jobs.
#include "monitor/command-context.h"
#include "monitor/job-facts.h"
#include "qapi/commands.h"

namespace qapi {
namespace {

using block::Error;
using block::ErrorKind;
using block::Result;

Result<std::shared_ptr<block::Job>> find_job(monitor::CommandContext& context,
                                             const std::string& id) {
  std::shared_ptr<block::Job> job = context.jobs.find(id);
  if (job) return job;
  return Error(ErrorKind::not_found, "Job not found: '" + id + "'");
}

} // namespace

Result<std::vector<JobInfo>> qmp_query_jobs(monitor::CommandContext& context) {
  std::vector<JobInfo> jobs;
  for (const auto& job : context.jobs.all()) {
    BLOCK_TRY_ASSIGN(JobInfo facts, monitor::job_facts(*job));
    jobs.push_back(std::move(facts));
  }
  return jobs;
}

Result<void> qmp_job_pause(monitor::CommandContext& context, JobPauseArguments arguments) {
  BLOCK_TRY_ASSIGN(auto job, find_job(context, arguments.id));
  return job->pause();
}

Result<void> qmp_job_resume(monitor::CommandContext& context, JobResumeArguments arguments) {
  BLOCK_TRY_ASSIGN(auto job, find_job(context, arguments.id));
  return job->resume();
}

Result<void> qmp_job_cancel(monitor::CommandContext& context, JobCancelArguments arguments) {
  BLOCK_TRY_ASSIGN(auto job, find_job(context, arguments.id));
  job->cancel();
  return {};
}

} // namespace qapi
