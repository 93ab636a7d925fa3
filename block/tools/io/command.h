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

// A command line cut at spaces; the first word is the command's name.
using Words = std::vector<std::string>;
Words split_words(const std::string& line);

struct Command {
  const char* name;
  const char* short_name; // null = none
  int least_arguments;    // words after the name
  int most_arguments;     // -1 = any number
  bool needs_image;
  bool writes;
  const char* synopsis; // what may follow the name
  const char* summary;  // one line
  // False if it failed; what there is to say has been printed.
  bool (*run)(Session& session, const Command& command, const Words& words);
};

// The commands of each group, in their own files.
std::span<const Command> read_commands();
std::span<const Command> write_commands();
std::span<const Command> aio_commands();
std::span<const Command> image_commands();   // discard, flush, truncate, alloc, map, length, info
std::span<const Command> break_commands();   // break, wait_break, resume, remove_break
std::span<const Command> session_commands(); // open, close, help, quit, sleep, abort, ...

// All of them by name.
const std::vector<const Command*>& all_commands();
// Null if there is none of that name or short name.
const Command* find_command(const std::string& name);

// Runs one line; an empty one succeeds.
bool run_command(Session& session, const std::string& line);

// "NAME SYNOPSIS -- SUMMARY".
void print_usage(const Command& command);

// The flags of one command, as getopt takes them: joined ("-pP 0xa"), anywhere among the operands.
class Flags {
public:
  // `letters` as for getopt. An unknown flag is reported on stderr and the usage on stdout; the
  // answer is then empty.
  static std::optional<Flags> parse(const Command& command, const Words& words,
                                    const char* letters);

  bool has(char letter) const { return values_.contains(letter); }
  // Only if has(letter) and the letter takes a value.
  const std::string& value(char letter) const { return values_.at(letter); }
  const Words& operands() const { return operands_; }

private:
  std::map<char, std::string> values_;
  Words operands_;
};

} // namespace tools::io

#endif
