// Telling the process that waits for the daemon that it serves now.
#ifndef MONITOR_READINESS_H
#define MONITOR_READINESS_H

namespace monitor {

// In the daemon: writes to the descriptor, closes it, and lets go of the terminal: standard input,
// output and error lead to /dev/null from then on.
void announce_readiness(int ready_fd);

// In the process that started it: waits until the daemon is ready (true), or until it has ended or
// let go of the pipe without being ready (false).
bool wait_for_readiness(int ready_fd);

} // namespace monitor

#endif
