// Running the daemon, alone or within nbdkit.
#include "monitor/launch.h"

#include "block/export/nbd/nbdkit/before-1.34.h"
#include "block/graph.h"
#include "monitor/nbd-sockets.h"
#include "monitor/nbdkit-command.h"
#include "monitor/readiness.h"
#include "monitor/sanitizer-preload.h"
#include "monitor/storage-daemon.h"

#include <cerrno>
#include <condition_variable>
#include <glib.h>
#include <mutex>
#include <sys/resource.h>
#include <unistd.h>

namespace monitor {
namespace {

using block::Error;
using block::ErrorKind;
using block::Result;

// If no descriptor is left for a connection, nbdkit retries without a pause. So there are fewer
// connections than descriptors.
std::uint64_t connections_within_limit() {
  constexpr rlim_t of_connection = 3;             // at most: its socket and a pipe
  constexpr rlim_t of_others = 48;                // images, QMP, the process itself
  constexpr rlim_t enough = of_connection * 4096; // threads run out before descriptors do
  struct rlimit limit {};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= enough) return 0;
  if (limit.rlim_cur < of_others + of_connection) return 1;
  return (limit.rlim_cur - of_others) / of_connection;
}

Result<NbdkitInstallation> find_nbdkit() {
  NbdkitInstallation found;
  g_autofree char* program = g_find_program_in_path("nbdkit");
  if (!program)
    return Error(ErrorKind::not_found, "--nbd-server needs the program nbdkit, which is not here")
        .with_hint("Install the package nbdkit.");
  found.program = program;
  found.plugin = block::DriverRegistry::module_directory() + "/nbdkit-qcow2-dedup-plugin.so";
  if (access(found.plugin.c_str(), R_OK) != 0) return Error::from_errno(errno, found.plugin);
  BLOCK_TRY_ASSIGN(auto version, exports::nbdkit_version(found.program));
  found.survives_dead_clients = exports::survives_dead_clients(version);
  found.most_connections = connections_within_limit();
  return found;
}

} // namespace

Error become_nbdkit(const Configuration& configuration, int ready_fd) {
  auto installation = find_nbdkit();
  if (!installation) return std::move(installation).error();
  auto kept = keep_from_passed_sockets(ready_fd);
  if (!kept) return std::move(kept).error();
  auto command = nbdkit_command(configuration, *installation, *kept);
  if (!command) return std::move(command).error();

  const auto& server = *configuration.nbd_server();
  auto sockets = listen_for_nbd(server.value.options.addr);
  if (!sockets) return std::move(sockets).error().context(server.text);
  if (auto passed = pass_to_next_program(std::move(*sockets)); !passed)
    return std::move(passed).error();
  std::vector<char*> argv;
  for (std::string& argument : *command)
    argv.push_back(argument.data());
  argv.push_back(nullptr);
  preload_sanitizer();
  execv(installation->program.c_str(), argv.data());
  return Error::from_errno(errno, installation->program);
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
