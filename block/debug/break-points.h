// Break points: where requests are held, until someone lets them go on.
#ifndef BLOCK_DEBUG_BREAK_POINTS_H
#define BLOCK_DEBUG_BREAK_POINTS_H

#include "block/debug-event.h"
#include "block/result.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <list>
#include <mutex>
#include <string>

namespace block::debug {

// All functions on any thread; the contracts are those of the BlockDriver entries.
class BreakPoints {
public:
  Result<void> set(DebugEvent event, const std::string& tag);
  Result<void> remove(const std::string& tag);
  Result<void> resume(const std::string& tag);
  Result<bool> wait(const std::string& tag, std::chrono::milliseconds at_most);

  // The event happens on this thread: takes the oldest break point that is set for it, and waits.
  void pass(DebugEvent event);

private:
  struct Point {
    DebugEvent event;
    std::string tag;
    bool resumed = false; // of a request that is held
  };

  std::atomic<bool> any_set_{false}; // spares requests the lock
  std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by mutex_, oldest first:
  std::list<Point> set_;
  std::list<Point> held_;
};

} // namespace block::debug

#endif
