// Handlers: version and the end of the program.
#include "monitor/command-context.h"
#include "qapi/commands.h"

#include <cstdio>

namespace qapi {

block::Result<VersionInfo> qmp_query_version(monitor::CommandContext&) {
  VersionInfo version;
  int major = 0, minor = 0, micro = 0;
  std::sscanf(QCOW2_DEDUP_VERSION, "%d.%d.%d", &major, &minor, &micro);
  version.qemu = {major, minor, micro};
  version.package = "qcow2-dedup " QCOW2_DEDUP_VERSION;
  return version;
}

block::Result<void> qmp_quit(monitor::CommandContext& context) {
  context.quit(ShutdownCause::host_qmp_quit);
  return {};
}

} // namespace qapi
