// Translating the daemon's configuration into a command line of nbdkit.
#include "monitor/nbdkit-command.h"

#include "monitor/tls-files.h"

#include <algorithm>

namespace monitor {
namespace {

using block::Error;
using block::ErrorKind;
using block::Result;

using Arguments = std::vector<std::string>;

void add(Arguments& arguments, std::initializer_list<std::string> more) {
  arguments.insert(arguments.end(), more);
}

Result<void> add_tls(Arguments& arguments, const Configuration& configuration,
                     const std::string& id) {
  const auto& all = configuration.credentials();
  auto found =
      std::find_if(all.begin(), all.end(), [&](const auto& given) { return given.value.id == id; });
  if (found == all.end())
    return Error(ErrorKind::not_found, "No TLS credentials with id '" + id + "'")
        .context(configuration.nbd_server()->text);
  const TlsCredentials& credentials = found->value;
  if (auto checked = check_tls_files(credentials); !checked)
    return std::move(checked).error().context(found->text);

  // require: a client that does not ask for TLS is turned away, as QEMU does.
  add(arguments, {"--tls=require"});
  if (credentials.kind == TlsCredentials::Kind::psk)
    add(arguments, {"--tls-psk=" + credentials.directory + "/keys.psk"});
  else
    add(arguments, {"--tls-certificates=" + credentials.directory});
  if (credentials.verify_peer) add(arguments, {"--tls-verify-peer"});
  return {};
}

} // namespace

Result<std::vector<std::string>> nbdkit_command(const Configuration& configuration,
                                                const NbdkitInstallation& installation,
                                                int ready_fd) {
  const NbdServer& server = configuration.nbd_server()->value;
  const bool parallel = server.parallel || installation.survives_dead_clients;
  std::uint64_t most_connections = server.options.max_connections.value_or(0);
  if (most_connections == 0 ||
      (installation.most_connections != 0 && installation.most_connections < most_connections))
    most_connections = installation.most_connections;

  // Messages of nbdkit begin with the name under which it runs.
  Arguments arguments = {"dedup-storage-daemon", "-f"};
  if (!parallel) add(arguments, {"-t", "1"});
  if (server.options.tls_creds)
    BLOCK_TRY(add_tls(arguments, configuration, *server.options.tls_creds));
  if (most_connections > 0) add(arguments, {"--filter=limit"});

  add(arguments, {installation.plugin, "program=dedup-storage-daemon"});
  if (ready_fd >= 0) add(arguments, {"ready-fd=" + std::to_string(ready_fd)});
  if (server.parallel) add(arguments, {"parallel=on"});
  if (most_connections > 0) add(arguments, {"limit=" + std::to_string(most_connections)});
  for (const Configuration::Item& item : configuration.items())
    add(arguments, {item.option + "=" + item.text});
  return arguments;
}

} // namespace monitor
