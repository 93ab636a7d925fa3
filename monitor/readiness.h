// Notifies the process that waits for the daemon that the daemon serves requests.
#ifndef MONITOR_READINESS_H
#define MONITOR_READINESS_H

namespace monitor {

// Called in the daemon: writes to the descriptor and closes it, then detaches from the terminal by
// opening /dev/null as standard input, output and error.
void announce_readiness(int ready_fd);

// Called in the process that started the daemon: waits until the daemon is ready and returns true,
// or until it has ended or closed the pipe without being ready and returns false.
bool wait_for_readiness(int ready_fd);

} // namespace monitor

#endif
