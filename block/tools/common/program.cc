// Messages of a command-line program.
#include "block/tools/common/program.h"

#include <cstdio>

namespace tools {
namespace {

std::string& name() {
  static std::string text = "dedup";
  return text;
}

} // namespace

void set_program_name(const char* argv0) {
  std::string path = argv0 ? argv0 : "";
  if (!path.empty()) name() = path.substr(path.rfind('/') + 1);
}

const std::string& program_name() {
  return name();
}

void report_error(const std::string& message) {
  std::fprintf(stderr, "%s: %s\n", name().c_str(), message.c_str());
}

void report_error(const block::Error& error) {
  report_error(error.message());
  if (!error.hint().empty()) std::fprintf(stderr, "%s\n", error.hint().c_str());
}

void report_warning(const std::string& message) {
  report_error("warning: " + message);
}

void report_usage_error(const std::string& message) {
  report_error(message);
  std::fprintf(stderr, "Try '%s --help' for more information\n", name().c_str());
}

} // namespace tools
