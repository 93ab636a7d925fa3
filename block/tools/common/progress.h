// The progress line of -p.
#ifndef BLOCK_TOOLS_COMMON_PROGRESS_H
#define BLOCK_TOOLS_COMMON_PROGRESS_H

#include <csignal>
#include <cstdint>
#include <mutex>

namespace tools {

// Writes "    (N.NN/100%)" and a carriage return to stdout whenever the value has moved by a
// hundredth of the way, and a line feed at its end, if it is enabled. Enabled or not, SIGUSR1 asks
// for one such line on stderr, which the next update() writes. One object at a time; any thread.
class ProgressLine {
public:
  explicit ProgressLine(bool enabled);
  ~ProgressLine();
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  void update(std::uint64_t done, std::uint64_t total);
  // Shows 100 per cent.
  void finish();

private:
  void show(double percent);

  const bool enabled_;
  struct sigaction earlier_ {}; // what SIGUSR1 did before
  std::mutex mutex_;
  double shown_ = 0; // guarded by mutex_; per cent
};

} // namespace tools

#endif
