// break, wait_break, resume and remove_break: a blkdebug node below the image holds aio requests at
// the events that a test chooses.
#include "block/tools/io/command.h"

#include <array>
#include <cstdio>
#include <cstring>

namespace tools::io {
namespace {

using namespace std::chrono_literals;

// Prints "Could not WHAT: REASON" if it failed.
template <typename T>
bool succeeded(const std::string& what, const block::Result<T>& done) {
  if (!done)
    std::printf("Could not %s: %s\n", what.c_str(), std::strerror(done.error().errno_value()));
  return done.ok();
}

bool set_break(Session& session, const Command&, const Words& words) {
  const block::DebugEventInfo* event = block::find_debug_event(words[1]);
  block::Result<void> set =
      event ? session.node().debug_breakpoint(event->event, words[2])
            : block::Error(block::ErrorKind::not_found, "There is no such event");
  return succeeded("set breakpoint", set);
}

bool remove_break(Session& session, const Command&, const Words& words) {
  return succeeded("remove breakpoint " + words[1],
                   session.node().debug_remove_breakpoint(words[1]));
}

bool wait_break(Session& session, const Command&, const Words& words) {
  for (;;) {
    block::Result<bool> held = session.node().debug_wait(words[1], 1s);
    if (!succeeded("wait for breakpoint " + words[1], held)) return false;
    if (!*held) continue;
    std::printf("blkdebug: Suspended request '%s'\n", words[1].c_str());
    return true;
  }
}

bool resume(Session& session, const Command&, const Words& words) {
  if (!succeeded("resume request", session.node().debug_resume(words[1]))) return false;
  std::printf("blkdebug: Resuming request '%s'\n", words[1].c_str());
  return true;
}

constexpr std::array commands = {
    Command{"break", nullptr, 2, 2, true, false, "EVENT TAG",
            "holds the next request that reaches the event", set_break},
    Command{"remove_break", nullptr, 1, 1, true, false, "TAG",
            "removes break points and resumes the requests that they hold", remove_break},
    Command{"resume", nullptr, 1, 1, true, false, "TAG", "resumes a request that is held", resume},
    Command{"wait_break", nullptr, 1, 1, true, false, "TAG", "waits until a request is held",
            wait_break},
};

} // namespace

std::span<const Command> break_commands() {
  return commands;
}

} // namespace tools::io
