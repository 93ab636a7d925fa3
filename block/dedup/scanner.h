// Scanner: the thread of background deduplication. It decides when to work and how fast; what a
// step does is for its owner to say.
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

// What a scan goes through: positions from 0 on, in any unit. Called on the scanner's thread,
// without any of its locks held.
class ScanWork {
public:
  virtual ~ScanWork() = default;

  struct Step {
    std::uint64_t next = 0;       // where to go on; greater than the position given
    std::uint64_t read_bytes = 0; // of data
  };
  // Works off a few milliseconds' worth from `position` on. An error ends the scan there.
  virtual block::Result<Step> step(std::uint64_t position) = 0;
  // The position at which everything is done; it may change while the scan runs.
  virtual std::uint64_t end() const = 0;
  // Grows with every request of the guest.
  virtual std::uint64_t guest_requests() const = 0;
  // The run that call number `start` of start() began has reached the end; the scan is idle, unless
  // it was started anew since.
  virtual void reached_end(std::uint64_t start) = 0;
  // The scan's state is another one now. Also on the thread that asked for it, and with what locks
  // that holds.
  virtual void state_changed() = 0;
};

// All functions on any thread; none waits for a step, but stop() does.
class Scanner {
public:
  using State = block::DedupScanState;

  // `work` outlives the scanner. `position`: what report() says before the first start. `rate`:
  // bytes that may be read in a second; 0 = no limit.
  Scanner(ScanWork& work, std::uint64_t position, std::uint64_t rate);
  ~Scanner() { stop(); }

  // Waits for the end of the step and ends the thread, for good.
  void stop();
  // Goes on from `position`, whatever it did before. After stop() only report() tells of it.
  void start(std::uint64_t position);
  // Becomes idle where it is.
  void cancel();
  // False if it is not running, or not paused.
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
  // One step, unless there is nothing left; `hold` holds mutex_ before and after.
  void work_off(std::unique_lock<std::mutex>& hold);
  Duration rest_after(Duration took, std::uint64_t read_bytes, bool guest_is_active) const;

  ScanWork& work_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  // Guarded by mutex_:
  State state_ = State::idle;
  std::uint64_t position_;
  std::uint64_t runs_ = 0; // start() begins another one: a step of the one before does not count
  std::uint64_t rate_;
  std::uint64_t starts_ = 0;
  std::string error_;
  bool stop_ = false;
  std::thread thread_; // begun by the first start()
};

} // namespace dedup

#endif
