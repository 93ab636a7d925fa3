// Job: work in the background that users watch, pause, resume and cancel. JobList: the jobs of a
// program.
#ifndef BLOCK_JOB_H
#define BLOCK_JOB_H

#include "block/result.h"

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace block {

// The life of a job: created, running, perhaps paused and running again, perhaps aborting,
// concluded, null.
enum class JobStatus {
  created,   // the work has not begun
  running,   // the work goes on
  paused,    // the work waits for resume()
  aborting,  // the job was cancelled or the work has failed
  concluded, // the work has ended; only told in events, because null follows at once
  null,      // the job exists no longer
};

struct JobProgress {
  std::uint64_t current = 0; // what is done; the kind of job defines the unit
  std::uint64_t total = 0;   // may change while the work goes on
};

class JobList;

// One run of some work. A job has no thread of its own: the work runs on threads of its owner,
// which call the functions of the second part.
//
// All functions may be called on any thread. Only may_go_on() and rest_until() wait.
class Job {
public:
  using Clock = std::chrono::steady_clock;

  // When a job that was cancelled is over.
  enum class CancelEnds {
    at_once,  // the work still finishes its present step, but no user has to wait for that
    with_work // the job is aborting until the work calls end()
  };

  // `id`: unique in its list. `type`: the name of the job's type in QMP.
  Job(std::string id, std::string type, CancelEnds cancel_ends);
  // The job must be over, or never have been added to a list.
  virtual ~Job();
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;

  // --- For users. ---
  const std::string& id() const { return id_; }
  const std::string& type() const { return type_; }
  JobStatus status() const;
  JobProgress progress() const;
  // Bytes per second that the work may process; 0 = no limit.
  std::uint64_t speed() const;
  // Why the work failed. Nothing while it runs, and after it succeeded or was cancelled.
  std::optional<Error> error() const;
  // The work rests after its present step. Errors: invalid_argument, if the job does not run.
  Result<void> pause();
  // Errors: invalid_argument, if the job is not paused.
  Result<void> resume();
  // Ends the job before its work is done. Does nothing if it is aborting or over.
  void cancel();
  void set_speed(std::uint64_t bytes_per_second);
  // The sink is called after each change of progress(), on the thread of the work. Set it before
  // the work begins.
  using ProgressSink = std::function<void(JobProgress)>;
  void set_progress_sink(ProgressSink sink) { progress_sink_ = std::move(sink); }

  // --- For the work. ---
  // The work begins.
  void start();
  // Waits while the job is paused. Returns false if the work must end, because the job was
  // cancelled.
  bool may_go_on();
  // Waits until that time, or until the job is paused or cancelled.
  void rest_until(Clock::time_point time);
  // Returns how long `bytes` take at speed().
  Clock::duration time_for(std::uint64_t bytes) const;
  void set_progress(JobProgress progress);
  // The work has ended. Does nothing if the job is over already.
  void end(Result<void> result);

protected:
  // Called once, when the job is cancelled or its work has ended: after status() has changed, and
  // before the events of that are sent. The caller holds the job's lock, so the function must not
  // call this object.
  virtual void ending() {}

private:
  friend class JobList;

  Result<void> enter(JobList& list, const std::shared_ptr<Job>& self);
  Result<void> change_status(JobStatus from, JobStatus to);
  // These must be called with mutex_ held.
  void tell(JobStatus status);
  void abort();
  // Returns the reference of the list, which may be the last one: it must outlive the lock.
  [[nodiscard]] std::shared_ptr<Job> conclude();

  const std::string id_;
  const std::string type_;
  const CancelEnds cancel_ends_;
  ProgressSink progress_sink_; // constant once the work has begun

  mutable std::mutex mutex_;
  std::condition_variable changed_; // status_ has changed
  // Guarded by mutex_:
  JobList* list_ = nullptr;
  JobStatus status_ = JobStatus::created; // never concluded
  JobProgress progress_;
  std::uint64_t speed_ = 0;
  std::optional<Error> error_;
};

// The jobs of a program that are not over. Must outlive them. All functions may be called on any
// thread.
class JobList {
public:
  // The sink receives every status that a job in the list gets, in this order, and created when it
  // is added. It is called on any thread, with locks of the job and of its owner held: it must
  // return at once, and of the job it may call id() and type() only.
  using EventSink = std::function<void(const Job&, JobStatus)>;
  explicit JobList(EventSink sink = {}) : sink_(std::move(sink)) {}
  JobList(const JobList&) = delete;
  JobList& operator=(const JobList&) = delete;

  // Adds a job that has not started. It leaves the list when it is over. Errors: exists, if the
  // list has a job with this id.
  Result<void> add(const std::shared_ptr<Job>& job);
  std::shared_ptr<Job> find(const std::string& id) const; // null if there is none
  std::vector<std::shared_ptr<Job>> all() const;          // in the order of adding

private:
  friend class Job;

  Result<void> insert(const std::shared_ptr<Job>& job);
  std::shared_ptr<Job> remove(const Job& job);

  const EventSink sink_;
  // A job may call the list while it holds its own lock, never the other way round.
  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<Job>> jobs_; // guarded by mutex_
};

} // namespace block

#endif
