// Scanner: steps, and rests between them.
#include "block/dedup/scanner.h"

#include <algorithm>
#include <system_error>

namespace dedup {

using Clock = std::chrono::steady_clock;

Scanner::Scanner(ScanWork& work, std::uint64_t position, std::uint64_t rate)
    : work_(work), position_(position), rate_(rate) {}

void Scanner::stop() {
  {
    std::lock_guard hold(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
  cancel();
}

void Scanner::start(std::uint64_t position) {
  {
    std::lock_guard hold(mutex_);
    position_ = position;
    if (stop_) return;
    state_ = State::running;
    error_.clear();
    ++starts_;
    ++runs_;
    try {
      if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
    } catch (const std::system_error& error) {
      state_ = State::idle;
      error_ = std::string("no thread for the scan: ") + error.what();
    }
  }
  wake_.notify_all();
  work_.state_changed();
}

void Scanner::cancel() {
  {
    std::lock_guard hold(mutex_);
    if (state_ == State::idle) return;
    state_ = State::idle;
    ++runs_;
  }
  wake_.notify_all();
  work_.state_changed();
}

bool Scanner::change_state(State from, State to) {
  {
    std::lock_guard hold(mutex_);
    if (state_ != from) return false;
    state_ = to;
  }
  wake_.notify_all();
  work_.state_changed();
  return true;
}

bool Scanner::pause() {
  return change_state(State::running, State::paused);
}

bool Scanner::resume() {
  return change_state(State::paused, State::running);
}

void Scanner::set_rate(std::uint64_t rate) {
  {
    std::lock_guard hold(mutex_);
    rate_ = rate;
  }
  wake_.notify_all();
}

Scanner::Report Scanner::report() const {
  std::lock_guard hold(mutex_);
  return {state_, position_, rate_, starts_, error_};
}

void Scanner::run() {
  std::unique_lock hold(mutex_);
  while (!stop_) {
    if (state_ == State::running)
      work_off(hold);
    else
      wake_.wait(hold);
  }
}

void Scanner::work_off(std::unique_lock<std::mutex>& hold) {
  const std::uint64_t position = position_;
  const std::uint64_t run = runs_, start = starts_;
  hold.unlock();
  const std::uint64_t requests = work_.guest_requests();
  const Clock::time_point began = Clock::now();
  const bool at_end = position >= work_.end();
  block::Result<ScanWork::Step> step = at_end ? ScanWork::Step{position, 0} : work_.step(position);
  const Duration took = Clock::now() - began;
  const bool guest_is_active = work_.guest_requests() != requests;
  hold.lock();
  if (run != runs_) return;
  if (at_end || !step) {
    state_ = State::idle;
    if (!step) error_ = step.error().message();
    hold.unlock();
    if (at_end) work_.reached_end(start);
    work_.state_changed();
    hold.lock();
    return;
  }
  position_ = step->next;
  const Duration rest = rest_after(took, step->read_bytes, guest_is_active);
  if (rest > Duration::zero())
    wake_.wait_for(hold, rest, [&] { return stop_ || run != runs_ || state_ != State::running; });
}

// While the guest works, the scan uses a fifth of the time. Rests are bounded, so that a new rate
// takes effect soon.
Scanner::Duration Scanner::rest_after(Duration took, std::uint64_t read_bytes,
                                      bool guest_is_active) const {
  constexpr Duration longest = std::chrono::seconds(1);
  Duration rest = guest_is_active ? 4 * took : Duration::zero();
  if (rate_ > 0) {
    const std::chrono::duration<double> due(static_cast<double>(read_bytes) /
                                            static_cast<double>(rate_));
    rest = std::max(rest, std::chrono::duration_cast<Duration>(due) - took);
  }
  return std::min(rest, longest);
}

} // namespace dedup
