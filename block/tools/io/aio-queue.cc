// AioQueue: a pool of threads that grows with the requests in flight.
#include "block/tools/io/aio-queue.h"

#include <cstdio>
#include <system_error>

namespace tools::io {

namespace {
// More than any test has in flight at once. Further requests wait for a thread.
constexpr std::size_t most_threads = 64;
} // namespace

AioQueue::~AioQueue() {
  {
    std::lock_guard hold(mutex_);
    stopping_ = true;
  }
  submitted_.notify_all();
  for (std::thread& thread : threads_)
    thread.join();
}

void AioQueue::submit(Request request) {
  std::lock_guard hold(mutex_);
  if (waiting_.size() >= idle_threads_ && threads_.size() < most_threads && !start_thread()) {
    finished_.push_back(request());
    return;
  }
  waiting_.push_back(std::move(request));
  ++unfinished_;
  submitted_.notify_one();
}

// Returns false if there is no thread at all to do the work.
bool AioQueue::start_thread() {
  try {
    threads_.emplace_back([this] { work(); });
  } catch (const std::system_error&) {
    return !threads_.empty(); // the system allows no more threads: the request waits for one
  }
  return true;
}

void AioQueue::work() {
  std::unique_lock hold(mutex_);
  for (;;) {
    ++idle_threads_;
    submitted_.wait(hold, [this] { return stopping_ || !waiting_.empty(); });
    --idle_threads_;
    if (waiting_.empty()) return;
    Request request = std::move(waiting_.front());
    waiting_.pop_front();
    hold.unlock();
    std::string report = request();
    hold.lock();
    finished_.push_back(std::move(report));
    --unfinished_;
    finished_changed_.notify_all();
  }
}

void AioQueue::print_finished() {
  std::lock_guard hold(mutex_);
  print_locked();
}

void AioQueue::drain() {
  std::unique_lock hold(mutex_);
  while (unfinished_ != 0) {
    finished_changed_.wait(hold);
    print_locked();
  }
  print_locked();
}

void AioQueue::print_locked() {
  for (const std::string& report : finished_)
    std::fputs(report.c_str(), stdout);
  finished_.clear();
}

} // namespace tools::io
