// The nbdkit command that a daemon with an NBD server becomes.
#ifndef BLOCK_EXPORT_NBD_NBDKIT_COMMAND_H
#define BLOCK_EXPORT_NBD_NBDKIT_COMMAND_H

#include "block/export/nbd/nbdkit/before-1.34.h"
#include "block/export/nbd/tls-credentials.h"

#include <cstdint>
#include <optional>
#include <utility>

namespace exports {

// What translation needs to know of the machine; tests bring their own.
struct NbdkitInstallation {
  std::string program; // path of nbdkit
  std::string plugin;  // path of our plugin
  NbdkitVersion version;
  std::uint64_t most_connections = 0; // for which there are descriptors; 0: for all that come
};

// What the daemon wants of its server.
struct NbdkitTask {
  std::string program; // name of the daemon, under which nbdkit runs and messages begin
  // Options of the daemon in their order, name and text. The plugin gets them unchanged.
  std::vector<std::pair<std::string, std::string>> options;
  std::optional<TlsCredentials> tls;
  std::uint64_t max_connections = 0; // at a time; 0: no limit
  bool parallel = false;             // even if this nbdkit may abort
};

// Returns the arguments from argv[0] on. `ready_fd` is the descriptor at which the plugin announces
// that the daemon serves; negative: no process waits for that.
std::vector<std::string> nbdkit_command(const NbdkitTask& task,
                                        const NbdkitInstallation& installation, int ready_fd);

} // namespace exports

#endif
