// Running the daemon, alone or in the program that serves NBD.
#include "monitor/launch.h"

#include "block/export/nbd/nbdkit/launch.h"
#include "monitor/nbd-sockets.h"
#include "monitor/readiness.h"
#include "monitor/storage-daemon.h"

#include <condition_variable>
#include <mutex>

namespace monitor {
namespace {

using block::Error;
using block::Result;

// Stays in monitor, because only monitor may read a Configuration.
Result<exports::NbdkitTask> task_of(const Configuration& configuration) {
  const NbdServer& server = configuration.nbd_server()->value;
  exports::NbdkitTask task;
  task.program = "dedup-storage-daemon";
  for (const Configuration::Item& item : configuration.items())
    task.options.emplace_back(item.option, item.text);
  BLOCK_TRY_ASSIGN(const auto credentials, configuration.nbd_credentials());
  if (credentials) {
    task.tls = credentials->value;
    if (auto checked = exports::check_tls_files(*task.tls); !checked)
      return std::move(checked).error().context(credentials->text);
  }
  task.max_connections = server.options.max_connections.value_or(0);
  task.parallel = server.parallel;
  return task;
}

} // namespace

Error become_nbd_server(const Configuration& configuration, int ready_fd) {
  auto installation = exports::find_nbdkit();
  if (!installation) return std::move(installation).error();
  auto task = task_of(configuration);
  if (!task) return std::move(task).error();
  const auto& server = *configuration.nbd_server();
  auto sockets = listen_for_nbd(server.value.options.addr);
  if (!sockets) return std::move(sockets).error().context(server.text);
  return exports::become_nbdkit(*task, *installation, std::move(*sockets), ready_fd);
}

Result<void> run_alone(const Configuration& configuration, int ready_fd) {
  std::mutex mutex;
  std::condition_variable changed;
  bool ended = false; // guarded by mutex
  StorageDaemon daemon([&] {
    std::lock_guard hold(mutex);
    ended = true;
    changed.notify_one();
  });
  BLOCK_TRY(daemon.start(configuration));
  if (ready_fd >= 0) announce_readiness(ready_fd);
  {
    std::unique_lock hold(mutex);
    changed.wait(hold, [&] { return ended; });
  }
  return daemon.stop();
}

} // namespace monitor
