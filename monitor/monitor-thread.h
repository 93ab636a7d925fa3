// MonitorThread: the thread with a GLib main loop that runs all of QMP.
#ifndef MONITOR_MONITOR_THREAD_H
#define MONITOR_MONITOR_THREAD_H

#include <functional>
#include <glib.h>
#include <mutex>
#include <thread>
#include <vector>

namespace monitor {

// Runs from construction to destruction. To be created only after the last fork() of the process.
class MonitorThread {
public:
  MonitorThread();
  // Does the posted work first.
  ~MonitorThread();
  MonitorThread(const MonitorThread&) = delete;
  MonitorThread& operator=(const MonitorThread&) = delete;

  // The context of the loop, for sources and sockets. Owned by this object.
  GMainContext* context() const { return context_; }

  // Does the work on the thread, in the order of the calls, and returns at once. Any thread, but
  // not a signal handler.
  void post(std::function<void()> work);
  // Does the work on the thread and waits for it. Any thread but the monitor's.
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
