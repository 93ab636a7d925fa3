// What a command-line program says on stderr: its own name, the message, a hint.
#ifndef BLOCK_TOOLS_COMMON_PROGRAM_H
#define BLOCK_TOOLS_COMMON_PROGRAM_H

#include "block/error.h"

#include <string>

namespace tools {

// Once at the start of main(): messages begin with argv[0] without its directory, and warnings of
// nodes are reported.
void set_program_name(const char* argv0);
const std::string& program_name();

// "PROGRAM: MESSAGE" and a line feed on stderr. The streams keep the buffering of C stdio on
// purpose: stdout is written out at exit when it is not a terminal, stderr at once, and scripts
// compare that order.
void report_error(const std::string& message);
// The same with the error's hint on a line of its own.
void report_error(const block::Error& error);
void report_warning(const std::string& message);
// For a command line that makes no sense: the message, then where to find help.
void report_usage_error(const std::string& message);

// For a program whose result is what it prints. Writes out what stdout still holds; returns
// `status`, or 1, with a message, in place of 0 if the output is not complete. A reader that has
// gone has had enough: that is no failure.
int expect_complete_output(int status);

} // namespace tools

#endif
