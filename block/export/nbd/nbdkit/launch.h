// Becoming nbdkit.
#ifndef BLOCK_EXPORT_NBD_NBDKIT_LAUNCH_H
#define BLOCK_EXPORT_NBD_NBDKIT_LAUNCH_H

#include "block/export/nbd/nbdkit/command.h"
#include "block/util/descriptor.h"

namespace exports {

// Errors: not_found (no nbdkit), those of the system for the plugin, those of nbdkit_version().
block::Result<NbdkitInstallation> find_nbdkit();

// Replaces this process by nbdkit with our plugin, which serves at the sockets. Returns only an
// error. `ready_fd` as in nbdkit_command().
block::Error become_nbdkit(const NbdkitTask& task, const NbdkitInstallation& installation,
                           std::vector<block::Descriptor> sockets, int ready_fd);

} // namespace exports

#endif
