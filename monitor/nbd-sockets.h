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

// Hands the sockets to the program that this process executes next, by the protocol of systemd:
// environment variables, and descriptors from 3 on, which are overwritten.
block::Result<void> pass_to_next_program(std::vector<block::Descriptor> sockets);

// The number under which that program inherits another descriptor: one that no socket gets.
// Negative for a negative one.
block::Result<int> keep_from_passed_sockets(int descriptor);

} // namespace monitor

#endif
