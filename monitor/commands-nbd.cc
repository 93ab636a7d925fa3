// Handlers: the NBD server.
#include "monitor/command-context.h"
#include "qapi/commands.h"

namespace qapi {

block::Result<void> qmp_nbd_server_start(monitor::CommandContext&, NbdServerStartArguments) {
  return block::Error(block::ErrorKind::unsupported,
                      "The address and TLS of the NBD server are fixed when the program starts: "
                      "use --nbd-server");
}

block::Result<void> qmp_nbd_server_stop(monitor::CommandContext&) {
  return block::Error(block::ErrorKind::unsupported,
                      "The NBD server runs as long as the program: use block-export-del to take an "
                      "export away, or quit");
}

} // namespace qapi
