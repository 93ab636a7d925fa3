// JobList: jobs by their ids.
#include "block/job.h"

#include <algorithm>

namespace block {
namespace {

using Jobs = std::vector<std::shared_ptr<Job>>;

// Returns null if there is none.
std::shared_ptr<Job> job_of(const Jobs& jobs, const std::string& id) {
  auto found = std::ranges::find(jobs, id, [](const auto& job) { return job->id(); });
  return found == jobs.end() ? nullptr : *found;
}

} // namespace

Result<void> JobList::add(const std::shared_ptr<Job>& job) {
  return job->enter(*this, job);
}

std::shared_ptr<Job> JobList::find(const std::string& id) const {
  std::lock_guard hold(mutex_);
  return job_of(jobs_, id);
}

Jobs JobList::all() const {
  std::lock_guard hold(mutex_);
  return jobs_;
}

Result<void> JobList::insert(const std::shared_ptr<Job>& job) {
  std::lock_guard hold(mutex_);
  if (job_of(jobs_, job->id()))
    return Error(ErrorKind::exists, "Job ID '" + job->id() + "' is already in use");
  jobs_.push_back(job);
  return {};
}

std::shared_ptr<Job> JobList::remove(const Job& job) {
  std::lock_guard hold(mutex_);
  auto found = std::ranges::find(jobs_, &job, [](const auto& each) { return each.get(); });
  std::shared_ptr<Job> removed = std::move(*found);
  jobs_.erase(found);
  return removed;
}

} // namespace block
