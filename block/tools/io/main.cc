// dedup-io: reads commands from -c or from stdin and runs them on an image.
#include "block/tools/common/command-line.h"
#include "block/tools/common/program.h"
#include "block/tools/io/command.h"
#include "block/tools/io/open-flags.h"
#include "block/util/process.h"

#include <csignal>
#include <cstdio>
#include <iostream>

namespace tools::io {
namespace {

constexpr int image_opts = 256;

void print_help(std::FILE* stream) {
  std::fprintf(stream,
               "usage: %s [OPTION]... [-c COMMAND]... [FILE]\n"
               "Reads, writes and examines a disk image by commands; from stdin without -c.\n\n"
               "  -c, --cmd COMMAND     run the command; may be repeated\n"
               "  -f, --format FMT      format of the image; probed if not given\n"
               "      --image-opts      FILE is a list of node options\n"
               "  -r, --read-only       open read-only\n"
               "  -s, --snapshot        write to a temporary overlay\n"
               "  -C, --copy-on-read    store data read from the backing file in the image\n"
               "  -n, --nocache         the same as -t none\n"
               "  -t, --cache MODE      none, writeback, writethrough, directsync or unsafe\n"
               "  -i, --aio MODE        threads, native or io_uring; always threads\n"
               "  -k, --native-aio      the same as -i native\n"
               "  -d, --discard MODE    ignore or unmap\n"
               "  -m, --misalign        accepted, has no effect\n"
               "  -U, --force-share     ignore the locks of others; needs -r\n"
               "  -h, --help            show this\n"
               "  -V, --version         show the version\n\n"
               "'%s -c help' lists the commands.\n",
               program_name().c_str(), program_name().c_str());
}

// Takes the options that say how to open the image. If one is invalid, prints a message on stderr
// and returns false.
bool parse_open_options(const CommandLine& line, OpenRequest& request) {
  request.name.format = line.value('f').value_or("");
  request.name.image_opts = line.has(image_opts);
  if (request.name.image_opts && !request.name.format.empty()) {
    report_error("--image-opts and -f are mutually exclusive");
    return false;
  }
  request.read_only = line.has('r');
  request.force_share = line.has('U');
  request.snapshot = line.has('s');
  request.copy_on_read = line.has('C');
  for (const std::string& mode : line.values('t'))
    if (!parse_cache_flag(mode, request.cache)) return false;
  for (const std::string& mode : line.values('d'))
    if (!accept_discard_mode(mode)) return false;
  for (const std::string& mode : line.values('i'))
    if (!accept_aio_mode(mode)) return false;
  return true;
}

// Runs the commands of stdin. Returns true if all of them succeeded. Only the prompt is flushed,
// because a program at the other end may wait for it.
bool run_interactively(Session& session) {
  bool succeeded = true;
  for (std::string command; !session.quitting();) {
    std::printf("%s> ", program_name().c_str());
    std::fflush(stdout);
    if (!std::getline(std::cin, command)) break;
    succeeded &= run_command(session, command);
  }
  return succeeded;
}

bool run_commands(Session& session, const std::vector<std::string>& commands) {
  bool succeeded = true;
  for (const std::string& command : commands) {
    if (session.quitting()) break;
    succeeded &= run_command(session, command);
  }
  return succeeded;
}

int run(int argc, char** argv) {
  set_program_name(argv[0]);
  auto line = CommandLine::parse(argc, argv,
                                 {{'c', "cmd", true},
                                  {'C', "copy-on-read", false},
                                  {'d', "discard", true},
                                  {'f', "format", true},
                                  {'h', "help", false},
                                  {'i', "aio", true},
                                  {'k', "native-aio", false},
                                  {'m', "misalign", false},
                                  {'n', "nocache", false},
                                  {'r', "read-only", false},
                                  {'s', "snapshot", false},
                                  {'t', "cache", true},
                                  {'U', "force-share", false},
                                  {'V', "version", false},
                                  {image_opts, "image-opts", false}});
  if (!line) return 1;
  if (line->has('h')) {
    print_help(stdout);
    return 0;
  }
  if (line->has('V')) {
    std::printf("%s version %s\n", program_name().c_str(), QCOW2_DEDUP_VERSION);
    return 0;
  }
  if (line->operands().size() > 1) {
    print_help(stdout);
    return 1;
  }
  OpenRequest request;
  if (!parse_open_options(*line, request)) return 1;
  Session session;
  if (!line->operands().empty()) {
    request.name.name = line->operands()[0];
    if (!open_and_report(session, std::move(request))) return 1;
  }
  bool succeeded =
      line->has('c') ? run_commands(session, line->values('c')) : run_interactively(session);
  succeeded &= session.close();
  return succeeded ? 0 : 1;
}

} // namespace
} // namespace tools::io

int main(int argc, char** argv) {
  block::prepare_process();
  block::treat_as_termination(SIGALRM); // the caller may have set a time limit
  return tools::expect_complete_output(tools::io::run(argc, argv));
}
