// Running the daemon, alone or within nbdkit.
#include "monitor/launch.h"

#include "block/export/nbdkit-version.h"
#include "block/graph.h"
#include "monitor/nbdkit-command.h"
#include "monitor/readiness.h"
#include "monitor/sanitizer-preload.h"
#include "monitor/storage-daemon.h"

#include <cerrno>
#include <condition_variable>
#include <glib.h>
#include <mutex>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace monitor {
namespace {

using block::Error;
using block::ErrorKind;
using block::Result;

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
  return found;
}

// Removes a socket that nobody listens on any more; nbdkit itself does not replace one.
Result<void> make_room(const std::string& path) {
  struct stat facts {};
  if (lstat(path.c_str(), &facts) != 0 || !S_ISSOCK(facts.st_mode)) return {};
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path))
    return Error(ErrorKind::invalid_argument, "UNIX socket path '" + path + "' is too long");
  path.copy(address.sun_path, path.size());
  int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int connected = connect(probe, reinterpret_cast<sockaddr*>(&address), sizeof(address));
  int refusal = connected == 0 ? 0 : errno;
  close(probe);
  if (refusal == ECONNREFUSED) unlink(path.c_str());
  if (refusal == 0) return Error::from_errno(EADDRINUSE, path);
  return {};
}

} // namespace

Error become_nbdkit(const Configuration& configuration, int ready_fd) {
  auto installation = find_nbdkit();
  if (!installation) return std::move(installation).error();
  const auto& server = *configuration.nbd_server();
  if (const auto* address = std::get_if<qapi::UnixSocketAddress>(&server.value.options.addr.u))
    if (auto room = make_room(address->path); !room)
      return std::move(room).error().context(server.text);

  auto command = nbdkit_command(configuration, *installation, ready_fd);
  if (!command) return std::move(command).error();
  std::vector<char*> argv;
  for (std::string& argument : *command)
    argv.push_back(argument.data());
  argv.push_back(nullptr);
  preload_sanitizer();
  execv(argv[0], argv.data());
  return Error::from_errno(errno, installation->program);
}

Result<void> run_alone(const Configuration& configuration, int ready_fd) {
  std::mutex mutex;
  std::condition_variable changed;
  bool ended = false; // guarded by mutex
  StorageDaemon daemon(
      [&] {
        std::lock_guard hold(mutex);
        ended = true;
        changed.notify_one();
      },
      false);
  BLOCK_TRY(daemon.start(configuration));
  if (ready_fd >= 0) announce_readiness(ready_fd);
  {
    std::unique_lock hold(mutex);
    changed.wait(hold, [&] { return ended; });
  }
  return daemon.stop();
}

} // namespace monitor
