// Scanner: steps, and rests between them.
#include "block/dedup/scanner.h"

#include <algorithm>
#include <system_error>

namespace dedup {

using block::Error;
using block::ErrorKind;
using block::Job;
using block::JobStatus;
using block::Result;

namespace {

constexpr const char* job_type = "dedup";

// While the guest works, the scan uses a fifth of the time. Rests are bounded, so that a new rate
// takes effect soon. `due`: the time that the step may take at the scan's rate; `took`: the time
// that it took.
Job::Clock::duration rest_after(Job::Clock::duration took, Job::Clock::duration due,
                                bool guest_is_active) {
  constexpr Job::Clock::duration longest = std::chrono::seconds(1);
  return std::min(std::max(guest_is_active ? 4 * took : Job::Clock::duration::zero(), due - took),
                  longest);
}

} // namespace

// A cancelled run ends at once: its step finishes within milliseconds, and stop() waits for it.
class Scanner::Run final : public Job {
public:
  Run(ScanWork& work, std::string id, std::uint64_t start)
      : Job(std::move(id), job_type, CancelEnds::at_once), number(start), work_(work) {}

  const std::uint64_t number; // of the call of start()

private:
  void ending() override { work_.state_changed(); }

  ScanWork& work_;
};

Scanner::Scanner(ScanWork& work, Jobs jobs, std::uint64_t position, std::uint64_t rate)
    : work_(work), jobs_(std::move(jobs)), position_(position), rate_(rate) {}

void Scanner::stop() {
  {
    std::lock_guard hold(mutex_);
    stop_ = true;
    if (run_) run_->cancel();
  }
  started_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Scanner::start(std::uint64_t position) {
  const block::JobProgress progress = work_.progress(position);
  {
    std::lock_guard hold(mutex_);
    if (run_) run_->cancel();
    run_.reset();
    position_ = position;
    if (stop_) return;
    run_ = std::make_shared<Run>(work_, jobs_.id, ++starts_);
    run_->set_speed(rate_);
    run_->set_progress(progress);
    if (Result<void> begun = begin(run_); !begun) run_->end(std::move(begun));
  }
  started_.notify_all();
  work_.state_changed();
}

// The caller must hold mutex_.
Result<void> Scanner::begin(const std::shared_ptr<Run>& run) {
  if (jobs_.list) BLOCK_TRY(jobs_.list->add(run));
  run->start();
  try {
    if (!thread_.joinable()) thread_ = std::thread([this] { work(); });
  } catch (const std::system_error& error) {
    return Error(ErrorKind::io, std::string("no thread for the scan: ") + error.what());
  }
  return {};
}

void Scanner::cancel() {
  std::lock_guard hold(mutex_);
  if (run_) run_->cancel();
}

void Scanner::set_rate(std::uint64_t rate) {
  std::lock_guard hold(mutex_);
  rate_ = rate;
  if (run_) run_->set_speed(rate);
}

Scanner::Report Scanner::report() const {
  std::lock_guard hold(mutex_);
  Report report{State::idle, position_, rate_, starts_, {}};
  if (!run_) return report;
  const JobStatus status = run_->status();
  if (status == JobStatus::running) report.state = State::running;
  if (status == JobStatus::paused) report.state = State::paused;
  if (const std::optional<Error> error = run_->error()) report.error = error->message();
  return report;
}

void Scanner::work() {
  std::unique_lock hold(mutex_);
  while (!stop_) {
    const std::shared_ptr<Run> run = run_;
    if (!run || run->status() == JobStatus::null) {
      started_.wait(hold);
      continue;
    }
    hold.unlock();
    while (run->may_go_on() && advance(*run)) {
    }
    hold.lock();
  }
}

bool Scanner::advance(Run& run) {
  std::uint64_t position;
  {
    std::lock_guard hold(mutex_);
    if (run_.get() != &run) return false; // another run has begun
    position = position_;
  }
  const std::uint64_t requests = work_.guest_requests();
  const Job::Clock::time_point began = Job::Clock::now();
  if (position >= work_.end()) {
    if (work_.reached_end(run.number))
      run.end({});
    else
      run.cancel();
    return false;
  }
  Result<ScanWork::Step> step = work_.step(position);
  if (!step) {
    run.end(std::move(step).error());
    return false;
  }
  const Job::Clock::time_point now = Job::Clock::now();
  const bool guest_is_active = work_.guest_requests() != requests;
  {
    std::lock_guard hold(mutex_);
    if (run_.get() != &run) return false;
    position_ = step->next;
  }
  run.set_progress(work_.progress(step->next));
  run.rest_until(now + rest_after(now - began, run.time_for(step->read_bytes), guest_is_active));
  return true;
}

} // namespace dedup
