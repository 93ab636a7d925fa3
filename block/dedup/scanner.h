// Scanner: the thread of background deduplication. It decides when to work and how fast; its owner
// implements the steps. Each run is a job.
#ifndef BLOCK_DEDUP_SCANNER_H
#define BLOCK_DEDUP_SCANNER_H

#include "block/info.h"
#include "block/job.h"

#include <string>
#include <thread>

namespace dedup {

// The work of a scan: positions from 0 on, in any unit. Called on the scanner's thread, which holds
// none of its locks then, unless stated otherwise.
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
  // Returns what users see when the scan has reached that position. Also called by start(), on any
  // thread.
  virtual block::JobProgress progress(std::uint64_t position) const = 0;
  // A number that increases with every request of the guest.
  virtual std::uint64_t guest_requests() const = 0;
  // The run that call number `start` of start() began has reached the end. Returns whether all work
  // is done. May start the next run.
  virtual bool reached_end(std::uint64_t start) = 0;
  // A run has begun or ended. May also be called on the thread that requested the change, with the
  // locks that this thread, the scanner and the job hold.
  virtual void state_changed() = 0;
};

// All functions may be called on any thread. Only stop() waits for a step.
class Scanner {
public:
  using State = block::DedupScanState;

  // What users see of the runs.
  struct Jobs {
    std::string id;
    block::JobList* list = nullptr; // null = the runs are not listed
  };

  // `work` must outlive the scanner. `position`: the position in report() before the first start.
  // `rate`: bytes per second that may be read; 0 = no limit.
  Scanner(ScanWork& work, Jobs jobs, std::uint64_t position, std::uint64_t rate);
  ~Scanner() { stop(); }

  // Waits for the end of the step and ends the thread. The scanner cannot be restarted.
  void stop();
  // Starts a new run from `position`. A run that is under way is cancelled. After stop() it changes
  // only report().
  void start(std::uint64_t position);
  // Cancels the run: the scan stops at the present position.
  void cancel();
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
  class Run;

  // The thread.
  void work();
  // Does one step of a run, or ends the run. Returns false if nothing is left to do.
  bool advance(Run& run);
  block::Result<void> begin(const std::shared_ptr<Run>& run);

  ScanWork& work_;
  const Jobs jobs_;
  mutable std::mutex mutex_;
  std::condition_variable started_; // a run was started, or stop_ was set
  // Guarded by mutex_:
  std::shared_ptr<Run> run_; // the last one; null before the first one, and after a start that came
                             // too late
  std::uint64_t position_;   // of run_
  std::uint64_t rate_;
  std::uint64_t starts_ = 0;
  bool stop_ = false;
  std::thread thread_; // started by the first start()
};

} // namespace dedup

#endif
