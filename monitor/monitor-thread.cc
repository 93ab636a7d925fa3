// MonitorThread: the main loop's thread and handing work to it.
#include "monitor/monitor-thread.h"

#include <csignal>
#include <future>

namespace monitor {

MonitorThread::MonitorThread()
    : context_(g_main_context_new()), loop_(g_main_loop_new(context_, FALSE)), thread_([this] {
        // Signals are for the program's main thread, also after this one has started others.
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_BLOCK, &all, nullptr);
        // What sockets and sources of this thread attach to unless told otherwise.
        g_main_context_push_thread_default(context_);
        g_main_loop_run(loop_);
        g_main_context_pop_thread_default(context_);
      }) {}

MonitorThread::~MonitorThread() {
  post([this] { g_main_loop_quit(loop_); });
  thread_.join();
  g_main_loop_unref(loop_);
  g_main_context_unref(context_);
}

void MonitorThread::post(std::function<void()> work) {
  auto* kept = new std::function<void()>(std::move(work));
  GSource* source = g_idle_source_new();
  g_source_set_priority(source, G_PRIORITY_DEFAULT);
  g_source_set_callback(
      source,
      [](gpointer data) -> gboolean {
        (*static_cast<std::function<void()>*>(data))();
        return G_SOURCE_REMOVE;
      },
      kept, [](gpointer data) { delete static_cast<std::function<void()>*>(data); });
  g_source_attach(source, context_);
  g_source_unref(source);
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
