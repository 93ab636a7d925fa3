// Scanner: the thread of background deduplication. It decides when to work and how fast; its owner
// implements the steps.
#ifndef BLOCK_DEDUP_SCANNER_H
#define BLOCK_DEDUP_SCANNER_H

#include "block/info.h"
#include "block/result.h"

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>

namespace dedup {

// The work of a scan: positions from 0 on, in any unit. Called on the scanner's thread, which holds
// none of its locks then.
class ScanWork {
public:
  virtual ~ScanWork() = default;

  struct Step {
    std::uint64_t next = 0;       // where to continue; greater than the position given
    std::uint64_t read_bytes = 0; // bytes of data
  };
  // Does a few milliseconds of work from `position` on. An error ends the scan there.
  virtual block::Result<Step> step(std::uint64_t position) = 0;
  // The position at which all work is done; it may change while the scan runs.
  virtual std::uint64_t end() const = 0;
  // A number that increases with every request of the guest.
  virtual std::uint64_t guest_requests() const = 0;
  // The run that call number `start` of start() began has reached the end. The scan is idle, unless
  // it was started again since.
  virtual void reached_end(std::uint64_t start) = 0;
  // The state of the scan has changed. May also be called on the thread that requested the change,
  // with the locks that this thread holds.
  virtual void state_changed() = 0;
};

// All functions may be called on any thread. Only stop() waits for a step.
class Scanner {
public:
  using State = block::DedupScanState;

  // `work` must outlive the scanner. `position`: the position in report() before the first start.
  // `rate`: bytes per second that may be read; 0 = no limit.
  Scanner(ScanWork& work, std::uint64_t position, std::uint64_t rate);
  ~Scanner() { stop(); }

  // Waits for the end of the step and ends the thread. The scanner cannot be restarted.
  void stop();
  // Starts a new run from `position`, even if another one is under way. After stop() it changes
  // only report().
  void start(std::uint64_t position);
  // Stops at the present position; the state becomes idle.
  void cancel();
  // Return false if the scan is not running, or not paused.
  bool pause();
  bool resume();
  void set_rate(std::uint64_t rate);

  struct Report {
    State state = State::idle;
    std::uint64_t position = 0;
    std::uint64_t rate = 0;
    std::uint64_t starts = 0; // calls of start()
    std::string error;        // of the last run; empty = none
  };
  Report report() const;

private:
  using Duration = std::chrono::steady_clock::duration;

  bool change_state(State from, State to);
  void run();
  // Does one step, unless nothing is left. `hold` holds mutex_ before and after.
  void work_off(std::unique_lock<std::mutex>& hold);
  Duration rest_after(Duration took, std::uint64_t read_bytes, bool guest_is_active) const;

  ScanWork& work_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  // Guarded by mutex_:
  State state_ = State::idle;
  std::uint64_t position_;
  // Number of runs. When start() begins another run, a step of the former one does not count.
  std::uint64_t runs_ = 0;
  std::uint64_t rate_;
  std::uint64_t starts_ = 0;
  std::string error_;
  bool stop_ = false;
  std::thread thread_; // started by the first start()
};

} // namespace dedup

#endif
