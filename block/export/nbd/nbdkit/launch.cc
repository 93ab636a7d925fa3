// Becoming nbdkit: finds it, and hands it the sockets.
#include "block/export/nbd/nbdkit/launch.h"

#include "block/export/nbd/nbdkit/sanitizer-preload.h"
#include "block/graph.h"

#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <glib.h>
#include <sys/resource.h>
#include <unistd.h>

namespace exports {
namespace {

using block::Descriptor;
using block::Error;
using block::ErrorKind;
using block::Result;

constexpr int first_passed = 3; // of systemd's protocol

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

// Hands the sockets to the program that this process executes next, by the protocol of systemd:
// environment variables, and descriptors from 3 on, which are overwritten.
Result<void> pass_to_next_program(std::vector<Descriptor> sockets) {
  // First above the numbers they shall have, so that none overwrites another.
  const int above = first_passed + static_cast<int>(sockets.size());
  for (Descriptor& socket : sockets) {
    socket = Descriptor(fcntl(socket.get(), F_DUPFD_CLOEXEC, above));
    if (socket.get() < 0) return Error::from_errno(errno, "Could not pass on the sockets");
  }
  int number = first_passed;
  for (const Descriptor& socket : sockets)
    if (dup2(socket.get(), number++) < 0)
      return Error::from_errno(errno, "Could not pass on the sockets");
  setenv("LISTEN_PID", std::to_string(getpid()).c_str(), 1);
  setenv("LISTEN_FDS", std::to_string(sockets.size()).c_str(), 1);
  unsetenv("LISTEN_FDNAMES");
  return {};
}

// Returns the number under which that program inherits another descriptor: one that none of so many
// sockets gets. Negative for a negative one.
Result<int> keep_from_sockets(int descriptor, std::size_t sockets) {
  if (descriptor < 0) return descriptor;
  const int kept = fcntl(descriptor, F_DUPFD, first_passed + static_cast<int>(sockets));
  if (kept < 0) return Error::from_errno(errno, "Could not keep a descriptor");
  close(descriptor);
  return kept;
}

} // namespace

Result<NbdkitInstallation> find_nbdkit() {
  NbdkitInstallation found;
  g_autofree char* program = g_find_program_in_path("nbdkit");
  if (!program)
    return Error(ErrorKind::not_found, "--nbd-server needs the program nbdkit, which is not here")
        .with_hint("Install the package nbdkit.");
  found.program = program;
  found.plugin = block::DriverRegistry::module_directory() + "/nbdkit-qcow2-dedup-plugin.so";
  if (access(found.plugin.c_str(), R_OK) != 0) return Error::from_errno(errno, found.plugin);
  BLOCK_TRY_ASSIGN(found.version, nbdkit_version(found.program));
  found.most_connections = connections_within_limit();
  return found;
}

Error become_nbdkit(const NbdkitTask& task, const NbdkitInstallation& installation,
                    std::vector<Descriptor> sockets, int ready_fd) {
  auto kept = keep_from_sockets(ready_fd, sockets.size());
  if (!kept) return std::move(kept).error();
  auto command = nbdkit_command(task, installation, *kept);
  if (auto passed = pass_to_next_program(std::move(sockets)); !passed)
    return std::move(passed).error();
  std::vector<char*> argv;
  for (std::string& argument : command)
    argv.push_back(argument.data());
  argv.push_back(nullptr);
  preload_sanitizer();
  execv(installation.program.c_str(), argv.data());
  return Error::from_errno(errno, installation.program);
}

} // namespace exports
