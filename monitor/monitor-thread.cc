// MonitorThread: runs the main loop and passes work to it.
#include "monitor/monitor-thread.h"

#include <csignal>
#include <future>
#include <sys/syscall.h>
#include <unistd.h>

namespace monitor {
namespace {

// The argument of sched_setattr(2), which glibc 2.36 does not declare.
struct SchedulingAttributes {
  std::uint32_t size, policy;
  std::uint64_t flags;
  std::int32_t nice;
  std::uint32_t priority;
  std::uint64_t runtime, deadline, period; // nanoseconds
  std::uint32_t least_utilization, most_utilization;
};

// Requests of guests may keep every processor busy. A command of an operator is short, and should
// not wait until their time slices end. A thread with short slices is scheduled early, without
// getting more time than others (Linux 6.12 and later; without effect on other kernels).
void ask_for_short_slices() {
  constexpr std::uint64_t slice_nanoseconds = 100'000, reset_on_fork = 1;
  SchedulingAttributes attributes = {};
  if (syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0) != 0) return;
  attributes.runtime = slice_nanoseconds;
  attributes.flags |= reset_on_fork; // threads that it starts get normal slices
  (void)syscall(SYS_sched_setattr, 0, &attributes, 0);
}

// Makes a source that is dispatched when its ready time is reached. It has no ready time unless
// there is work.
GSource* make_work_source(GSourceFunc callback, gpointer data) {
  static GSourceFuncs functions = {nullptr,
                                   nullptr,
                                   [](GSource*, GSourceFunc call, gpointer with) -> gboolean {
                                     return call(with); },
                                   nullptr,
                                   nullptr,
                                   nullptr};
  GSource* source = g_source_new(&functions, sizeof(GSource));
  g_source_set_callback(source, callback, data, nullptr);
  return source;
}

} // namespace

MonitorThread::MonitorThread()
    : context_(g_main_context_new()),
      loop_(g_main_loop_new(context_, FALSE)),
      work_source_(make_work_source(
          [](gpointer thread) -> gboolean {
            static_cast<MonitorThread*>(thread)->do_posted();
            return G_SOURCE_CONTINUE;
          },
          this)) {
  g_source_attach(work_source_, context_);
  thread_ = std::thread([this] {
    // Signals are handled by the main thread of the program, also if this thread starts others.
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);
    ask_for_short_slices();
    // Sockets and sources that this thread creates use this context by default.
    g_main_context_push_thread_default(context_);
    g_main_loop_run(loop_);
    g_main_context_pop_thread_default(context_);
  });
}

MonitorThread::~MonitorThread() {
  post([this] { g_main_loop_quit(loop_); });
  thread_.join();
  g_source_destroy(work_source_);
  g_source_unref(work_source_);
  g_main_loop_unref(loop_);
  g_main_context_unref(context_);
}

// Passes the work under our own mutex, because thread checkers do not see the locks inside GLib.
void MonitorThread::post(std::function<void()> work) {
  {
    std::lock_guard hold(mutex_);
    posted_.push_back(std::move(work));
  }
  g_source_set_ready_time(work_source_, 0);
}

void MonitorThread::do_posted() {
  g_source_set_ready_time(work_source_, -1);
  std::vector<std::function<void()>> work;
  {
    std::lock_guard hold(mutex_);
    work.swap(posted_);
  }
  for (const std::function<void()>& each : work)
    each();
}

void MonitorThread::run(const std::function<void()>& work) {
  std::promise<void> done;
  post([&] {
    work();
    done.set_value();
  });
  done.get_future().wait();
}

} // namespace monitor
