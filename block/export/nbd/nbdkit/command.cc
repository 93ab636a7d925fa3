// Translating the daemon's task into a command line of nbdkit.
#include "block/export/nbd/nbdkit/command.h"

namespace exports {
namespace {

using Arguments = std::vector<std::string>;

void add(Arguments& arguments, const Arguments& more) {
  arguments.insert(arguments.end(), more.begin(), more.end());
}

Arguments tls_options(const TlsCredentials& credentials) {
  // require: a client that does not ask for TLS is turned away, as QEMU does.
  Arguments options = {"--tls=require"};
  if (credentials.kind == TlsCredentials::Kind::psk)
    add(options, {"--tls-psk=" + credentials.directory + "/keys.psk"});
  else
    add(options, {"--tls-certificates=" + credentials.directory});
  if (credentials.verify_peer) add(options, {"--tls-verify-peer"});
  return options;
}

} // namespace

Arguments nbdkit_command(const NbdkitTask& task, const NbdkitInstallation& installation,
                         int ready_fd) {
  std::uint64_t most_connections = task.max_connections;
  if (most_connections == 0 ||
      (installation.most_connections != 0 && installation.most_connections < most_connections))
    most_connections = installation.most_connections;

  // Messages of nbdkit begin with the name under which it runs.
  Arguments arguments = {task.program, "-f"};
  if (!task.parallel) add(arguments, options_against_dead_clients(installation.version));
  if (task.tls) add(arguments, tls_options(*task.tls));
  if (most_connections > 0) add(arguments, {"--filter=limit"});

  add(arguments, {installation.plugin, "program=" + task.program});
  if (ready_fd >= 0) add(arguments, {"ready-fd=" + std::to_string(ready_fd)});
  if (task.parallel) add(arguments, {"parallel=on"});
  if (most_connections > 0) add(arguments, {"limit=" + std::to_string(most_connections)});
  for (const auto& [name, text] : task.options)
    add(arguments, {name + "=" + text});
  return arguments;
}

} // namespace exports
