// The command line of a program: options and operands in any order, with the rules of getopt_long.
#ifndef BLOCK_TOOLS_COMMON_COMMAND_LINE_H
#define BLOCK_TOOLS_COMMON_COMMAND_LINE_H

#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

namespace tools {

// One option of a program.
struct OptionSpec {
  int id;                // the letter; from 256 on for a long name without a letter
  const char* long_name; // null: the option has only a letter
  bool takes_value;
  // For long names: the value is optional and must follow "=". It is empty if it is left out.
  bool value_may_lack = false;
};

class CommandLine {
public:
  // Parses argv[1] and the words after it. Options may follow operands, "--" ends the options, and
  // long names may be abbreviated. For an unknown option or a missing value, prints a message on
  // stderr and returns empty. Uses the global state of getopt: one thread at a time.
  static std::optional<CommandLine> parse(int argc, char** argv,
                                          std::initializer_list<OptionSpec> specs);

  bool has(int id) const;
  // Returns the last value of the option, or empty if the option was not given.
  std::optional<std::string> value(int id) const;
  // Returns all values of the option, in their order.
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
