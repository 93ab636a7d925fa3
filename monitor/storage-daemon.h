// StorageDaemon: the running daemon: block graph, exports, monitor. The same for the program that
// runs by itself and for the one inside nbdkit.
#ifndef MONITOR_STORAGE_DAEMON_H
#define MONITOR_STORAGE_DAEMON_H

#include "monitor/command-context.h"
#include "monitor/configuration.h"
#include "monitor/dedup-watch.h"
#include "monitor/monitor-thread.h"
#include "monitor/pid-file.h"
#include "monitor/qmp-listener.h"

#include <memory>
#include <optional>
#include <vector>

namespace qapi {
class CommandTable;
}

namespace monitor {

class QmpServer;

// start() and stop() are called once each, on the program's main thread. Everything else of the
// daemon happens on its monitor thread, and requests on the threads of the NBD server. From start()
// on, SIGINT, SIGTERM, SIGQUIT and, unless the program began with it ignored, SIGHUP ask the
// program to end, however often they come.
class StorageDaemon {
public:
  // `request_quit` asks the program to call stop() soon; any thread. Without an NBD server in this
  // process, exports are refused.
  StorageDaemon(std::function<void()> request_quit, bool serves_nbd);
  ~StorageDaemon();

  // Opens the nodes, adds the exports, listens on the monitors' sockets, writes the pid file; in
  // this order, so that a client who finds a socket finds everything. Errors: the message begins
  // with the option; nothing stays open then.
  block::Result<void> start(const Configuration& configuration);

  // Waits for requests in flight, makes everything durable, closes the nodes, then the monitors.
  // Errors: what could not be made durable or closed; everything is closed all the same.
  block::Result<void> stop();

  exports::ExportRegistry& exports() { return exports_; }

private:
  block::Result<void> open_all(const Configuration& configuration);
  block::Result<void> listen_all(const Configuration& configuration);
  block::Result<void> write_pid_file(const std::string& path);
  block::Result<void> close_all();
  void handle_signals();
  void quit(qapi::ShutdownCause cause);
  void announce_end(qapi::ShutdownCause cause);
  void hear(const block::Node& node, block::NodeEvent event, const std::string& message);
  void export_deleted(const std::string& id);
  void look_at_dedup(const std::string& node_name);

  const std::function<void()> request_quit_;
  std::optional<PidFile> pid_file_;
  bool end_announced_ = false; // monitor thread

  block::Graph graph_;
  exports::ExportRegistry exports_;
  CommandContext context_;
  const std::unique_ptr<qapi::CommandTable> commands_;
  DedupWatch dedup_watch_;                // used on the monitor thread
  std::vector<QmpListener> idle_sockets_; // of chardevs without a monitor; nobody answers there
  std::unique_ptr<QmpServer> server_;     // made and used on the monitor thread; null once closed
  MonitorThread thread_; // the last member: work that is still posted needs the others
};

// Checks what can be checked without locks and threads: opens the nodes read-only, tolerating
// others' locks, and closes them again. For a process that still has to fork.
block::Result<void> check_nodes(const Configuration& configuration);

} // namespace monitor

#endif
