// CommandLine: a thin wrapper of getopt_long.
#include "block/tools/common/command-line.h"

#include "block/tools/common/program.h"

#include <algorithm>
#include <getopt.h>

namespace tools {

std::optional<CommandLine> CommandLine::parse(int argc, char** argv,
                                              std::initializer_list<OptionSpec> specs) {
  std::string letters = ":"; // a leading colon: ":" for a missing value, "?" for an unknown option
  std::vector<option> names;
  for (const OptionSpec& spec : specs) {
    if (spec.id < 256) {
      letters.push_back(static_cast<char>(spec.id));
      if (spec.takes_value) letters.push_back(':');
    }
    if (spec.long_name)
      names.push_back({spec.long_name,
                       spec.value_may_lack ? optional_argument
                       : spec.takes_value  ? required_argument
                                           : no_argument,
                       nullptr, spec.id});
  }
  names.push_back({nullptr, 0, nullptr, 0});

  CommandLine line;
  optind = 0; // glibc: reset getopt
  for (int id = 0; (id = getopt_long(argc, argv, letters.c_str(), names.data(), nullptr)) != -1;) {
    const char* culprit = argv[optind - 1];
    if (id == ':') {
      report_usage_error(std::string("missing argument for option '") + culprit + "'");
      return std::nullopt;
    }
    if (id == '?') {
      report_usage_error(std::string("unrecognized option '") + culprit + "'");
      return std::nullopt;
    }
    line.given_.push_back({id, optarg ? optarg : ""});
  }
  line.operands_.assign(argv + optind, argv + argc);
  return line;
}

bool CommandLine::has(int id) const {
  return std::ranges::any_of(given_, [id](const Given& given) { return given.id == id; });
}

std::optional<std::string> CommandLine::value(int id) const {
  std::optional<std::string> last;
  for (const Given& given : given_)
    if (given.id == id) last = given.value;
  return last;
}

std::vector<std::string> CommandLine::values(int id) const {
  std::vector<std::string> all;
  for (const Given& given : given_)
    if (given.id == id) all.push_back(given.value);
  return all;
}

} // namespace tools
