// A program's command line: options and operands in any order, as getopt_long takes them.
#ifndef BLOCK_TOOLS_COMMON_COMMAND_LINE_H
#define BLOCK_TOOLS_COMMON_COMMAND_LINE_H

#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

namespace tools {

// One option that a program understands.
struct OptionSpec {
  int id;                // the letter, or a number from 256 on for a long name without letter
  const char* long_name; // null: a letter only
  bool takes_value;
  // The value stands behind "=" or is left out; it is then the empty text. For long names.
  bool value_may_lack = false;
};

class CommandLine {
public:
  // Reads argv[1] and what follows; argv[0] is skipped. Options may stand after operands, "--" ends
  // them, long names may be shortened. An unknown option or a missing value is reported on stderr;
  // the answer is then empty. Uses getopt's global state: one thread at a time.
  static std::optional<CommandLine> parse(int argc, char** argv,
                                          std::initializer_list<OptionSpec> specs);

  bool has(int id) const;
  // The value given last; empty optional when the option was not given.
  std::optional<std::string> value(int id) const;
  // All values in their order.
  std::vector<std::string> values(int id) const;
  const std::vector<std::string>& operands() const { return operands_; }

private:
  struct Given {
    int id;
    std::string value;
  };
  std::vector<Given> given_;
  std::vector<std::string> operands_;
};

} // namespace tools

#endif
