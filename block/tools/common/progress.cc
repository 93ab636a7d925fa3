// The progress line of -p.
#include "block/tools/common/progress.h"

#include <cstdio>

namespace tools {

ProgressLine::ProgressLine(bool enabled) : enabled_(enabled) {
  if (enabled_) show(0);
}

ProgressLine::~ProgressLine() {
  if (enabled_) std::printf("\n");
}

void ProgressLine::update(std::uint64_t done, std::uint64_t total) {
  if (!enabled_ || total == 0) return;
  double percent = 100.0 * static_cast<double>(done) / static_cast<double>(total);
  std::lock_guard hold(mutex_);
  if (percent >= shown_ + 1) show(percent);
}

void ProgressLine::finish() {
  if (!enabled_) return;
  std::lock_guard hold(mutex_);
  show(100);
}

void ProgressLine::show(double percent) {
  shown_ = percent;
  std::printf("    (%3.2f/100%%)\r", percent);
  std::fflush(stdout); // a progress line is only of use while it is fresh
}

} // namespace tools
