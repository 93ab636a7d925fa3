// How the daemon runs: by itself, or as nbdkit.
#ifndef MONITOR_LAUNCH_H
#define MONITOR_LAUNCH_H

#include "monitor/configuration.h"

namespace monitor {

// Replaces this process by nbdkit with our plugin. Returns only an error: no nbdkit, no plugin, an
// NBD address or TLS object that cannot be used. `ready_fd` as in nbdkit_command().
block::Error become_nbdkit(const Configuration& configuration, int ready_fd);

// Runs a daemon without an NBD server until QMP or a signal ends it. Errors: those of
// StorageDaemon::start() and stop().
block::Result<void> run_alone(const Configuration& configuration, int ready_fd);

} // namespace monitor

#endif
