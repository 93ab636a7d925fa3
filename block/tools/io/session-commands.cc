// Commands about the session: open, close, reopen, help, quit, and commands for crash tests.
#include "block/tools/common/program.h"
#include "block/tools/io/command.h"
#include "block/tools/io/open-flags.h"

#include <array>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <thread>

namespace tools::io {
namespace {

// Parses a plain number. If the text is not a number, prints a message on stdout.
std::optional<int> parse_count(const std::string& text) {
  int count = 0;
  auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error == std::errc() && stop == text.data() + text.size() && count >= 0) return count;
  std::printf("%s is not a valid number\n", text.c_str());
  return std::nullopt;
}

bool open(Session& session, const Command& command, const Words& words) {
  std::optional<Flags> flags = Flags::parse(command, words, "snCro:ki:t:d:U");
  if (!flags) return false;
  if (flags->operands().size() > 1 || (flags->operands().empty() && !flags->has('o'))) {
    print_usage(command);
    return false;
  }
  if (session.is_open()) {
    report_error("file open already, try 'help close'");
    return false;
  }
  OpenRequest request;
  request.read_only = flags->has('r');
  request.force_share = flags->has('U');
  request.snapshot = flags->has('s');
  request.copy_on_read = flags->has('C');
  if (flags->has('t') && !parse_cache_flag(flags->value('t'), request.cache)) return false;
  if (flags->has('d') && !accept_discard_mode(flags->value('d'))) return false;
  if (flags->has('i') && !accept_aio_mode(flags->value('i'))) return false;
  if (flags->has('o')) {
    block::Result<block::Options> options = block::Options::parse(flags->value('o'));
    if (!options) {
      report_error(options.error());
      return false;
    }
    request.options = std::move(*options);
  }
  if (!flags->operands().empty()) request.name.name = flags->operands()[0];
  return open_and_report(session, std::move(request));
}

bool close(Session& session, const Command&, const Words&) {
  return session.close();
}

bool reopen(Session&, const Command&, const Words&) {
  report_error("reopen is not supported; use close and open");
  return false;
}

bool quit(Session& session, const Command&, const Words&) {
  session.quit();
  return true;
}

bool help(Session&, const Command&, const Words& words) {
  if (words.size() > 1) {
    const Command* command = find_command(words[1]);
    if (command)
      print_usage(*command);
    else
      std::printf("command %s not found\n", words[1].c_str());
    return command != nullptr;
  }
  for (const Command* command : all_commands())
    print_usage(*command);
  std::printf("\nUse 'help COMMAND' for one of them.\n");
  return true;
}

bool sleep(Session&, const Command&, const Words& words) {
  std::optional<int> milliseconds = parse_count(words[1]);
  if (milliseconds) std::this_thread::sleep_for(std::chrono::milliseconds(*milliseconds));
  return milliseconds.has_value();
}

bool abort(Session&, const Command&, const Words&) {
  std::abort();
}

bool sigraise(Session&, const Command&, const Words& words) {
  std::optional<int> number = parse_count(words[1]);
  if (!number) return false;
  std::fflush(stdout); // a fatal signal does not flush stdout
  return std::raise(*number) == 0;
}

constexpr std::array commands = {
    Command{"abort", nullptr, 0, 0, false, false, "", "ends the program as a crash would", abort},
    Command{"close", "c", 0, 0, true, false, "", "closes the image", close},
    Command{"help", "?", 0, 1, false, false, "[COMMAND]", "describes the commands", help},
    Command{"open", "o", 1, -1, false, false,
            "[-rsnCkU] [-t CACHE] [-d DISCARD] [-i AIO] [-o OPTIONS] [FILE]", "opens an image",
            open},
    Command{"quit", "q", 0, 0, false, false, "", "ends the program", quit},
    Command{"reopen", nullptr, 0, -1, true, false, "", "is not supported; use close and open",
            reopen},
    Command{"sigraise", nullptr, 1, 1, false, false, "SIGNAL", "sends a signal to the program",
            sigraise},
    Command{"sleep", nullptr, 1, 1, false, false, "MILLISECONDS", "waits", sleep},
};

} // namespace

std::span<const Command> session_commands() {
  return commands;
}

} // namespace tools::io
