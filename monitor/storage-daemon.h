// StorageDaemon: the running daemon with block graph, exports and monitor. It is the same in a
// process of its own and inside another program.
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

// start() and stop() are called once each, on the main thread of the program. All other work of the
// daemon runs on its monitor thread, and requests run on the threads of the exports. From start()
// on, each SIGINT, SIGTERM, SIGQUIT and SIGHUP requests the end of the program; SIGHUP does not if
// it was ignored when the program began.
class StorageDaemon {
public:
  // `request_quit`: called on any thread; it must make the program call stop() soon.
  explicit StorageDaemon(std::function<void()> request_quit);
  ~StorageDaemon();

  // Opens the nodes, adds the exports, listens on the monitors' sockets and writes the pid file. In
  // this order, so that a client that finds a socket finds everything. Errors: the message begins
  // with the option; everything is then closed.
  block::Result<void> start(const Configuration& configuration);

  // Waits for the requests in flight, makes everything durable, closes the nodes, then the
  // monitors. Everything is closed even after an error. Errors: data that could not be made
  // durable, nodes that could not be closed.
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
  void handle_event(const block::Job& job, block::JobStatus status);
  void handle_event(const block::Node& node, block::NodeEvent event, const std::string& message);
  void export_deleted(const std::string& id);
  void look_at_dedup(const std::string& node_name);

  const std::function<void()> request_quit_;
  std::optional<PidFile> pid_file_;
  bool end_announced_ = false; // monitor thread

  block::JobList jobs_;
  block::Graph graph_;
  exports::ExportRegistry exports_;
  CommandContext context_;
  const std::unique_ptr<qapi::CommandTable> commands_;
  DedupWatch dedup_watch_;                // used on the monitor thread
  std::vector<QmpListener> idle_sockets_; // chardevs without a monitor; connections are not served
  std::unique_ptr<QmpServer> server_;     // made and used on the monitor thread; null once closed
  MonitorThread thread_;                  // the last member, because posted work uses the others
};

// Checks the configuration without locks and threads: opens the nodes read-only in spite of others'
// locks, and closes them again. For a process that still has to fork.
block::Result<void> check_nodes(const Configuration& configuration);

} // namespace monitor

#endif
