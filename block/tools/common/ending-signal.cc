// EndingSignal: a handler that only remembers the signal.
#include "block/tools/common/ending-signal.h"

#include <array>
#include <atomic>
#include <csignal>
#include <cstdio>

namespace tools {
namespace {

constexpr std::array ending_signals = {SIGHUP, SIGINT, SIGTERM};
std::atomic<int> remembered{0}; // 0 = none
static_assert(std::atomic<int>::is_always_lock_free, "the handler uses it");

void remember(int number) {
  remembered = number;
}

} // namespace

void handle_ending_signals(std::span<const int> signals, void (*handler)(int number)) {
  for (int number : signals) {
    struct sigaction present;
    if (sigaction(number, nullptr, &present) != 0 || present.sa_handler != SIG_DFL) continue;
    struct sigaction action = {};
    action.sa_handler = handler;
    action.sa_flags = SA_RESETHAND;
    sigemptyset(&action.sa_mask);
    (void)sigaction(number, &action, nullptr);
  }
}

EndingSignal::EndingSignal() {
  handle_ending_signals(ending_signals, remember);
}

EndingSignal::~EndingSignal() {
  const int number = remembered;
  if (number == 0) return;
  (void)std::fflush(nullptr);
  (void)std::signal(number, SIG_DFL);
  (void)raise(number);
}

bool EndingSignal::came() const {
  return remembered != 0;
}

} // namespace tools
