// The state in which a program of this project runs, whatever its caller left it: standard
// descriptors, signals, resource limits. docs/user/signals-and-limits.md says why each is as it is.
#ifndef BLOCK_UTIL_PROCESS_H
#define BLOCK_UTIL_PROCESS_H

namespace block {

// The first call of every main(), and of the load function of a plugin, before a file is opened and
// before a thread is started. Afterwards:
// - descriptors 0, 1 and 2 are open, so no image gets one of these numbers;
// - no signal is blocked, and none ends the process but SIGHUP, SIGINT, SIGQUIT, SIGTERM and those
//   of program faults;
// - the soft limits of open files and of the stack are as high as the hard ones allow;
// - an exception for lack of memory or threads that nothing catches ends the process with status 1
//   and a message;
// - messages through GLib are lines "PROGRAM: TEXT" or "PROGRAM: warning: TEXT".
// Ends the process with status 1 and a message if the stack is too small to run on.
void prepare_process();

// Whether SIGHUP was ignored when prepare_process() was called, as nohup(1) leaves it. The program
// then leaves it ignored.
bool hangup_was_ignored();

// Makes `signal` ask for the same end as SIGTERM.
void treat_as_termination(int signal);

} // namespace block

#endif
