// The commands of dedup-io.
#ifndef BLOCK_TOOLS_IO_COMMAND_H
#define BLOCK_TOOLS_IO_COMMAND_H

#include "block/tools/io/session.h"

#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace tools::io {

// A command line, split at spaces. The first word is the name of the command.
using Words = std::vector<std::string>;
Words split_words(const std::string& line);

struct Command {
  const char* name;
  const char* short_name; // null = none
  int least_arguments;    // words after the name
  int most_arguments;     // -1 = any number
  bool needs_image;
  bool writes;
  const char* synopsis; // the arguments after the name
  const char* summary;  // one line
  // Returns false if the command failed. All messages have then been printed.
  bool (*run)(Session& session, const Command& command, const Words& words);
};

// The commands by group. Each group is one file.
std::span<const Command> read_commands();
std::span<const Command> write_commands();
std::span<const Command> aio_commands();
std::span<const Command> image_commands();   // discard, flush, truncate, alloc, map, length, info
std::span<const Command> break_commands();   // break, wait_break, resume, remove_break
std::span<const Command> session_commands(); // open, close, help, quit, sleep, abort, ...

// Returns all commands, sorted by name.
const std::vector<const Command*>& all_commands();
// Returns null if no command has that name or short name.
const Command* find_command(const std::string& name);

// Runs one line. An empty line succeeds.
bool run_command(Session& session, const std::string& line);

// Prints "NAME SYNOPSIS -- SUMMARY".
void print_usage(const Command& command);

// The flags of one command, with the rules of getopt: they may be joined ("-pP 0xa") and may stand
// between operands.
class Flags {
public:
  // `letters`: as for getopt. For an unknown flag, prints a message on stderr and the usage on
  // stdout, and returns empty.
  static std::optional<Flags> parse(const Command& command, const Words& words,
                                    const char* letters);

  bool has(char letter) const { return values_.contains(letter); }
  // Requires has(letter) and a letter that takes a value.
  const std::string& value(char letter) const { return values_.at(letter); }
  const Words& operands() const { return operands_; }

private:
  std::map<char, std::string> values_;
  Words operands_;
};

} // namespace tools::io

#endif
