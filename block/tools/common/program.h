// Messages of a command-line program on stderr: the program's name, the message, a hint.
#ifndef BLOCK_TOOLS_COMMON_PROGRAM_H
#define BLOCK_TOOLS_COMMON_PROGRAM_H

#include "block/error.h"

#include <string>

namespace tools {

// To be called once at the start of main(). Messages then begin with argv[0] without its directory,
// and warnings of nodes are printed.
void set_program_name(const char* argv0);
const std::string& program_name();

// Prints "PROGRAM: MESSAGE" and a line feed on stderr. The streams keep the buffering of C stdio on
// purpose, because scripts depend on the resulting order: stderr is written at once, and stdout at
// exit if it is not a terminal.
void report_error(const std::string& message);
// The same, with the error's hint on a line of its own.
void report_error(const block::Error& error);
void report_warning(const std::string& message);
// For an invalid command line: prints the message and how to get help.
void report_usage_error(const std::string& message);

// For a program whose result is its output. Flushes stdout. Returns `status`; if the output is
// incomplete and `status` is 0, prints a message and returns 1. A pipe whose reader has closed its
// end, as head(1) does, is not an error.
int expect_complete_output(int status);

} // namespace tools

#endif
