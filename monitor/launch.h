// How the daemon runs: by itself, or in the program that serves NBD.
#ifndef MONITOR_LAUNCH_H
#define MONITOR_LAUNCH_H

#include "monitor/configuration.h"

namespace monitor {

// Replaces this process by the NBD server, in which the same daemon runs. Returns only an error: no
// server is installed, or an NBD address or TLS object cannot be used. `ready_fd` as in
// run_alone().
block::Error become_nbd_server(const Configuration& configuration, int ready_fd);

// Runs a daemon without an NBD server until QMP or a signal ends it. When everything is served,
// announces it at `ready_fd`, unless that is negative. Errors: those of StorageDaemon::start() and
// stop().
block::Result<void> run_alone(const Configuration& configuration, int ready_fd);

} // namespace monitor

#endif
