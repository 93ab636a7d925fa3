// The progress line of -p.
#ifndef BLOCK_TOOLS_COMMON_PROGRESS_H
#define BLOCK_TOOLS_COMMON_PROGRESS_H

#include <csignal>
#include <cstdint>
#include <mutex>

namespace tools {

// If enabled, prints "    (N.NN/100%)" and a carriage return on stdout whenever the value has grown
// by one per cent, and a line feed at the end. In every case SIGUSR1 requests one such line on
// stderr, which the next update() prints. One object at a time. Any thread.
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
  struct sigaction earlier_ {}; // the former action of SIGUSR1
  std::mutex mutex_;
  double shown_ = 0; // guarded by mutex_; per cent
};

} // namespace tools

#endif
