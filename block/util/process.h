// The state in which a program of this project runs, independent of its caller: standard
// descriptors, signals, resource limits. docs/user/signals-and-limits.md gives the reasons.
#ifndef BLOCK_UTIL_PROCESS_H
#define BLOCK_UTIL_PROCESS_H

namespace block {

// The first call of every main(), and of the load function of a plugin, before a file is opened and
// before a thread is started. Afterwards:
// - descriptors 0, 1 and 2 are open, so no image gets one of these numbers;
// - no signal is blocked, and the only signals that end the process are SIGHUP, SIGINT, SIGQUIT,
//   SIGTERM and those of program faults;
// - the soft limit of open files equals the hard limit; that of the stack is at least 8 MiB, if the
//   hard limit allows it;
// - an uncaught exception for lack of memory or threads ends the process with status 1 and a
//   message;
// - messages through GLib are lines "PROGRAM: TEXT" or "PROGRAM: warning: TEXT".
// Ends the process with status 1 and a message if the stack is too small to run on.
void prepare_process();

// Returns whether SIGHUP was ignored when prepare_process() was called, as nohup(1) leaves it. The
// program then keeps ignoring it.
bool hangup_was_ignored();

// Makes `signal` end the program as SIGTERM does.
void treat_as_termination(int signal);

} // namespace block

#endif
