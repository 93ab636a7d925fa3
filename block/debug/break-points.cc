// BreakPoints: one list of the break points that are set, one of those that hold a request.
#include "block/debug/break-points.h"

#include <algorithm>

namespace block::debug {
namespace {

Error no_such_tag(const char* what, const std::string& tag) {
  return Error(ErrorKind::not_found, std::string(what) + " '" + tag + "'");
}

} // namespace

Result<void> BreakPoints::set(DebugEvent event, const std::string& tag) {
  for (const DebugEventInfo& info : debug_events)
    if (info.event == event && !info.can_hold)
      return Error(ErrorKind::unsupported,
                   "No request can be held at event '" + std::string(info.name) + "'");
  MutexGuard hold(mutex_);
  set_.push_back({event, tag});
  any_set_ = true;
  return {};
}

Result<void> BreakPoints::remove(const std::string& tag) {
  MutexGuard hold(mutex_);
  auto meant = [&](const Point& point) { return tag.empty() || point.tag == tag; };
  bool found = std::erase_if(set_, meant) > 0;
  any_set_ = !set_.empty();
  for (Point& point : held_)
    if (meant(point)) found = point.resumed = true;
  changed_.notify_all();
  if (!found && !tag.empty()) return no_such_tag("There is no break point", tag);
  return {};
}

Result<void> BreakPoints::resume(const std::string& tag) {
  MutexGuard hold(mutex_);
  auto found = std::ranges::find_if(
      held_, [&](const Point& point) { return point.tag == tag && !point.resumed; });
  if (found == held_.end()) return no_such_tag("No request is held at break point", tag);
  found->resumed = true;
  changed_.notify_all();
  return {};
}

Result<bool> BreakPoints::wait(const std::string& tag, std::chrono::milliseconds at_most) {
  const auto deadline = std::chrono::steady_clock::now() + at_most;
  MutexGuard hold(mutex_);
  while (true) {
    for (const Point& point : held_)
      if (point.tag == tag && !point.resumed) return true;
    if (std::chrono::steady_clock::now() >= deadline) return false;
    changed_.wait_until(mutex_, deadline);
  }
}

void BreakPoints::pass(DebugEvent event) {
  if (!any_set_.load(std::memory_order_relaxed)) return;
  MutexGuard hold(mutex_);
  auto point = std::ranges::find(set_, event, &Point::event);
  if (point == set_.end()) return;
  held_.splice(held_.end(), set_, point);
  any_set_ = !set_.empty();
  changed_.notify_all();
  while (!point->resumed)
    changed_.wait(mutex_);
  held_.erase(point);
}

} // namespace block::debug
