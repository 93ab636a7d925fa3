// Finds, checks and runs a command.
#include "block/tools/io/command.h"

#include "block/tools/common/program.h"

#include <algorithm>
#include <cstdio>
#include <getopt.h>

namespace tools::io {
namespace {

bool has_right_count(const Command& command, int arguments) {
  if (arguments >= command.least_arguments &&
      (command.most_arguments < 0 || arguments <= command.most_arguments))
    return true;
  std::fprintf(stderr, "bad argument count %d to %s, expected ", arguments, command.name);
  if (command.most_arguments < 0)
    std::fprintf(stderr, "at least %d arguments\n", command.least_arguments);
  else if (command.least_arguments == command.most_arguments)
    std::fprintf(stderr, "%d arguments\n", command.least_arguments);
  else
    std::fprintf(stderr, "between %d and %d arguments\n", command.least_arguments,
                 command.most_arguments);
  return false;
}

} // namespace

Words split_words(const std::string& line) {
  Words words;
  constexpr const char* blanks = " \t\r\n";
  for (std::size_t start = 0;
       (start = line.find_first_not_of(blanks, start)) != std::string::npos;) {
    std::size_t end = std::min(line.find_first_of(blanks, start), line.size());
    words.push_back(line.substr(start, end - start));
    start = end;
  }
  return words;
}

const std::vector<const Command*>& all_commands() {
  static const std::vector<const Command*> sorted = [] {
    std::vector<const Command*> commands;
    for (std::span<const Command> group : {read_commands(), write_commands(), aio_commands(),
                                           image_commands(), break_commands(), session_commands()})
      for (const Command& command : group)
        commands.push_back(&command);
    std::ranges::sort(commands, [](const Command* a, const Command* b) {
      return std::string_view(a->name) < b->name;
    });
    return commands;
  }();
  return sorted;
}

const Command* find_command(const std::string& name) {
  for (const Command* command : all_commands())
    if (name == command->name || (command->short_name && name == command->short_name))
      return command;
  return nullptr;
}

bool run_command(Session& session, const std::string& line) {
  Words words = split_words(line);
  if (words.empty()) return true;
  const Command* command = find_command(words[0]);
  if (!command) {
    std::fprintf(stderr, "command \"%s\" not found\n", words[0].c_str());
    return false;
  }
  if (command->needs_image && !session.is_open()) {
    std::fprintf(stderr, "no file open, try 'help open'\n");
    return false;
  }
  if (!has_right_count(*command, static_cast<int>(words.size()) - 1)) return false;
  if (command->writes && session.node().read_only()) {
    report_error("Block node is read-only");
    return false;
  }
  bool done = command->run(session, *command, words);
  session.aio().print_finished();
  return done;
}

void print_usage(const Command& command) {
  std::printf("%s %s -- %s\n", command.name, command.synopsis, command.summary);
}

std::optional<Flags> Flags::parse(const Command& command, const Words& words, const char* letters) {
  Flags flags;
  Words copy = words;
  copy[0] = command.name; // messages of getopt begin with it
  std::vector<char*> argv;
  for (std::string& word : copy)
    argv.push_back(word.data());
  argv.push_back(nullptr);
  int argc = static_cast<int>(words.size());
  optind = 0; // glibc: reset getopt
  for (int letter = 0; (letter = getopt(argc, argv.data(), letters)) != -1;) {
    if (letter == '?') {
      print_usage(command);
      return std::nullopt;
    }
    flags.values_[static_cast<char>(letter)] = optarg ? optarg : "";
  }
  flags.operands_.assign(argv.begin() + optind, argv.begin() + argc);
  return flags;
}

} // namespace tools::io
