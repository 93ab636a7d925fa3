// The daemon's command line.
#ifndef MONITOR_DAEMON_OPTIONS_H
#define MONITOR_DAEMON_OPTIONS_H

#include "monitor/configuration.h"

namespace monitor {

struct DaemonOptions {
  Configuration configuration;
  bool daemonize = false;
  bool show_version = false;
};

// Parses the command line. --help prints the options and ends the process. Errors: unknown options,
// and those of Configuration::add().
block::Result<DaemonOptions> parse_daemon_options(std::vector<std::string> arguments);

} // namespace monitor

#endif
