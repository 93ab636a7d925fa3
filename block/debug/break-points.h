// Break points: they hold requests at debug events until a caller resumes them.
#ifndef BLOCK_DEBUG_BREAK_POINTS_H
#define BLOCK_DEBUG_BREAK_POINTS_H

#include "block/debug-event.h"
#include "block/result.h"
#include "block/util/mutex.h"

#include <atomic>
#include <chrono>
#include <list>
#include <string>

namespace block::debug {

// Any thread. The contracts are those of the BlockDriver entries of the same name.
class BreakPoints {
public:
  Result<void> set(DebugEvent event, const std::string& tag);
  Result<void> remove(const std::string& tag);
  Result<void> resume(const std::string& tag);
  Result<bool> wait(const std::string& tag, std::chrono::milliseconds at_most);

  // Called when the event happens on this thread. If a break point is set for the event, uses up
  // the oldest one and waits until it is resumed or removed.
  void pass(DebugEvent event);

private:
  struct Point {
    DebugEvent event;
    std::string tag;
    bool resumed = false; // only in held_: the request may go on
  };

  std::atomic<bool> any_set_{false}; // avoids the lock when no break point is set
  Mutex mutex_;
  Condition changed_;
  // Oldest first:
  std::list<Point> set_ GUARDED_BY(mutex_);
  std::list<Point> held_ GUARDED_BY(mutex_);
};

} // namespace block::debug

#endif
