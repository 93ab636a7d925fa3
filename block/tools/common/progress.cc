// The progress line of -p and the answer to SIGUSR1.
#include "block/tools/common/progress.h"

#include <cstdio>

namespace tools {
namespace {

volatile std::sig_atomic_t asked = 0; // SIGUSR1 requested a line that is not printed yet

constexpr double whole = 100; // per cent

} // namespace

ProgressLine::ProgressLine(bool enabled) : enabled_(enabled) {
  struct sigaction note {};
  note.sa_handler = [](int) { asked = 1; };
  note.sa_flags = SA_RESTART;
  asked = 0;
  sigaction(SIGUSR1, &note, &earlier_);
  if (enabled_) show(0);
}

ProgressLine::~ProgressLine() {
  sigaction(SIGUSR1, &earlier_, nullptr);
  if (!enabled_) return;
  std::printf("\n");
  std::fflush(stdout);
  std::clearerr(stdout);
}

void ProgressLine::update(std::uint64_t done, std::uint64_t total) {
  if (total == 0) return;
  const double percent = whole * static_cast<double>(done) / static_cast<double>(total);
  if (asked != 0) {
    asked = 0;
    std::fprintf(stderr, "    (%3.2f/100%%)\n", percent);
  }
  if (!enabled_) return;
  std::lock_guard hold(mutex_);
  if (percent >= shown_ + 1) show(percent);
}

void ProgressLine::finish() {
  if (!enabled_) return;
  std::lock_guard hold(mutex_);
  show(whole);
}

// Flushed at once, because a progress line is of use only while it is current. A failed write of
// the line must not make the work fail.
void ProgressLine::show(double percent) {
  shown_ = percent;
  std::printf("    (%3.2f/100%%)\r", percent);
  std::fflush(stdout);
  std::clearerr(stdout);
}

} // namespace tools
