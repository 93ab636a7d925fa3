// Job: its status and what follows from each change of it.
#include "block/job.h"

#include <cassert>

namespace block {

Job::Job(std::string id, std::string type, CancelEnds cancel_ends)
    : id_(std::move(id)), type_(std::move(type)), cancel_ends_(cancel_ends) {}

Job::~Job() {
  assert(!list_ || status_ == JobStatus::null);
}

JobStatus Job::status() const {
  std::lock_guard hold(mutex_);
  return status_;
}

JobProgress Job::progress() const {
  std::lock_guard hold(mutex_);
  return progress_;
}

std::uint64_t Job::speed() const {
  std::lock_guard hold(mutex_);
  return speed_;
}

std::optional<Error> Job::error() const {
  std::lock_guard hold(mutex_);
  return error_;
}

Result<void> Job::pause() {
  return change_status(JobStatus::running, JobStatus::paused);
}

Result<void> Job::resume() {
  return change_status(JobStatus::paused, JobStatus::running);
}

Result<void> Job::change_status(JobStatus from, JobStatus to) {
  std::lock_guard hold(mutex_);
  if (status_ != from) {
    const bool paused = status_ == JobStatus::paused;
    return Error(ErrorKind::invalid_argument, "Job '" + id_ + "' is " +
                                                  (from == JobStatus::paused ? "not paused"
                                                   : paused                  ? "already paused"
                                                                             : "not running"));
  }
  status_ = to;
  changed_.notify_all();
  tell(to);
  return {};
}

void Job::cancel() {
  std::shared_ptr<Job> listed;
  std::lock_guard hold(mutex_);
  if (status_ == JobStatus::aborting || status_ == JobStatus::null) return;
  const bool over = cancel_ends_ == CancelEnds::at_once;
  status_ = over ? JobStatus::null : JobStatus::aborting;
  changed_.notify_all();
  abort();
  if (over) listed = conclude();
}

void Job::set_speed(std::uint64_t bytes_per_second) {
  std::lock_guard hold(mutex_);
  speed_ = bytes_per_second;
}

void Job::start() {
  std::lock_guard hold(mutex_);
  if (status_ != JobStatus::created) return; // it was cancelled
  status_ = JobStatus::running;
  tell(JobStatus::running);
}

bool Job::may_go_on() {
  std::unique_lock hold(mutex_);
  changed_.wait(hold, [this] { return status_ != JobStatus::paused; });
  return status_ == JobStatus::running;
}

void Job::rest_until(Clock::time_point time) {
  std::unique_lock hold(mutex_);
  changed_.wait_until(hold, time, [this] { return status_ != JobStatus::running; });
}

Job::Clock::duration Job::time_for(std::uint64_t bytes) const {
  const std::uint64_t speed = this->speed();
  if (speed == 0) return Clock::duration::zero();
  return std::chrono::duration_cast<Clock::duration>(
      std::chrono::duration<double>(static_cast<double>(bytes) / static_cast<double>(speed)));
}

void Job::set_progress(JobProgress progress) {
  {
    std::lock_guard hold(mutex_);
    progress_ = progress;
  }
  if (progress_sink_) progress_sink_(progress);
}

void Job::end(Result<void> result) {
  std::shared_ptr<Job> listed;
  std::lock_guard hold(mutex_);
  if (status_ == JobStatus::null) return;
  const bool cancelled = status_ == JobStatus::aborting;
  status_ = JobStatus::null;
  changed_.notify_all();
  if (!cancelled && !result) {
    error_ = std::move(result).error();
    abort();
  } else if (!cancelled) {
    ending();
  }
  listed = conclude();
}

void Job::abort() {
  ending();
  tell(JobStatus::aborting);
}

std::shared_ptr<Job> Job::conclude() {
  tell(JobStatus::concluded);
  std::shared_ptr<Job> listed = list_ ? list_->remove(*this) : nullptr;
  tell(JobStatus::null);
  return listed;
}

void Job::tell(JobStatus status) {
  if (list_ && list_->sink_) list_->sink_(*this, status);
}

Result<void> Job::enter(JobList& list, const std::shared_ptr<Job>& self) {
  std::lock_guard hold(mutex_);
  BLOCK_TRY(list.insert(self));
  list_ = &list;
  tell(JobStatus::created);
  return {};
}

} // namespace block
