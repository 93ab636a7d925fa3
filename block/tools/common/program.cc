// Messages of a command-line program.
#include "block/tools/common/program.h"

#include "block/graph.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <poll.h>
#include <unistd.h>

namespace tools {
namespace {

std::string& name() {
  static std::string text = "dedup";
  return text;
}

// Returns whether the reader of a pipe has closed its end, as head(1) does after its last line.
bool reader_has_gone() {
  pollfd output = {STDOUT_FILENO, POLLOUT, 0};
  return poll(&output, 1, 0) == 1 && (output.revents & (POLLERR | POLLHUP)) != 0;
}

} // namespace

void set_program_name(const char* argv0) {
  std::string path = argv0 ? argv0 : "";
  if (!path.empty()) name() = path.substr(path.rfind('/') + 1);
  block::Graph::set_default_event_sink(
      [](const block::Node& node, block::NodeEvent event, const std::string& message) {
        if (event == block::NodeEvent::warning) report_warning(node.filename() + ": " + message);
        if (event == block::NodeEvent::image_corrupted)
          report_warning(node.filename() + ": the image is corrupt: " + message);
      });
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

int expect_complete_output(int status) {
  errno = 0;
  const bool complete = std::fflush(stdout) == 0 && !std::ferror(stdout);
  if (complete || reader_has_gone()) return status;
  // If an earlier write failed, its errno value is no longer available.
  report_error(errno == 0 ? "write error" : std::string("write error: ") + std::strerror(errno));
  return status != 0 ? status : 1;
}

} // namespace tools
