// The sockets that NBD clients connect to.
#ifndef MONITOR_NBD_SOCKETS_H
#define MONITOR_NBD_SOCKETS_H

#include "block/result.h"
#include "block/util/descriptor.h"
#include "qapi/types.h"

#include <vector>

namespace monitor {

// Sockets that listen at the address: one for a path, one for each address of a host (of this
// machine if the host is empty). A socket file that no process listens on any more is replaced.
// Errors: a path or port that cannot be, one in use, a host that is not known.
block::Result<std::vector<block::Descriptor>> listen_for_nbd(const qapi::SocketAddress& address);

} // namespace monitor

#endif
