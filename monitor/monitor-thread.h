// MonitorThread: a thread with a GLib main loop, on which everything of QMP happens.
#ifndef MONITOR_MONITOR_THREAD_H
#define MONITOR_MONITOR_THREAD_H

#include <functional>
#include <glib.h>
#include <mutex>
#include <thread>
#include <vector>

namespace monitor {

// Runs from construction to destruction. Made only after the process has forked for the last time.
class MonitorThread {
public:
  MonitorThread();
  // Work that was posted before is done first.
  ~MonitorThread();
  MonitorThread(const MonitorThread&) = delete;
  MonitorThread& operator=(const MonitorThread&) = delete;

  // The loop's context, for sources and sockets. Owned by this object.
  GMainContext* context() const { return context_; }

  // Does the work on the thread, in order, and returns at once. Any thread, signal handlers
  // excepted.
  void post(std::function<void()> work);
  // Does the work on the thread and waits for it. Any thread but this one.
  void run(const std::function<void()>& work);

private:
  void do_posted();

  std::mutex mutex_;
  std::vector<std::function<void()>> posted_; // guarded by mutex_
  GMainContext* context_;
  GMainLoop* loop_;
  GSource* work_source_;
  std::thread thread_;
};

} // namespace monitor

#endif
