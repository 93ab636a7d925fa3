// The nbdkit command that a daemon with an NBD server becomes.
#ifndef MONITOR_NBDKIT_COMMAND_H
#define MONITOR_NBDKIT_COMMAND_H

#include "monitor/configuration.h"

namespace monitor {

// What translation needs to know of the machine; tests bring their own.
struct NbdkitInstallation {
  std::string program;                // path of nbdkit
  std::string plugin;                 // path of our plugin
  bool survives_dead_clients = false; // exports::survives_dead_clients()
  std::uint64_t most_connections = 0; // for which there are descriptors; 0: for all that come
};

// The arguments, with our own name as argv[0]. Every option of the daemon is handed on as a
// key=value of the plugin; TLS and the limit of connections become options of nbdkit, and the
// address comes by pass_to_next_program(). `ready_fd` is where the plugin says that the daemon
// serves; negative: no process waits for that. Errors: a TLS object that does not exist or cannot
// be used.
block::Result<std::vector<std::string>> nbdkit_command(const Configuration& configuration,
                                                       const NbdkitInstallation& installation,
                                                       int ready_fd);

} // namespace monitor

#endif
