// Zones: between the first end and the last begin among a value's operations the register has to
// hold that value (forward zone), or, if everything overlaps, at some moment of it (backward zone).
#include "tests/stress/history.h"

#include <algorithm>
#include <limits>
#include <map>

namespace stress {
namespace {

constexpr Time before_all = std::numeric_limits<Time>::min();

struct Zone {
  std::uint64_t value;
  Operation first_end;  // the operation of that value that ended first
  Operation last_begin; // ... that began last

  bool forward() const { return first_end.end < last_begin.begin; }
  Time low() const { return std::min(first_end.end, last_begin.begin); }
  Time high() const { return std::max(first_end.end, last_begin.begin); }
};

std::string text(const Operation& operation) {
  if (operation.begin == before_all)
    return "the initial write of " + std::to_string(operation.value);
  return std::string(operation.kind == Operation::Kind::read ? "read" : "write") + " of " +
         std::to_string(operation.value) + " by thread " + std::to_string(operation.thread) + " [" +
         std::to_string(operation.begin) + ", " + std::to_string(operation.end) + "]";
}

std::string text(const Zone& zone) {
  return text(zone.first_end) + " .. " + text(zone.last_begin);
}

void join(Zone& zone, const Operation& operation) {
  if (operation.end < zone.first_end.end) zone.first_end = operation;
  if (operation.begin > zone.last_begin.begin) zone.last_begin = operation;
}

} // namespace

std::string fault_of(std::uint64_t initial, const std::vector<Operation>& operations) {
  const Operation first{Operation::Kind::write, initial, before_all, before_all, 0};
  std::map<std::uint64_t, Operation> writes{{initial, first}};
  std::map<std::uint64_t, Zone> zones{{initial, {initial, first, first}}};
  for (const Operation& each : operations) {
    if (each.kind != Operation::Kind::write) continue;
    if (!writes.emplace(each.value, each).second)
      return "the test wrote " + std::to_string(each.value) + " twice";
    zones.emplace(each.value, Zone{each.value, each, each});
  }
  for (const Operation& each : operations) {
    if (each.kind != Operation::Kind::read) continue;
    auto write = writes.find(each.value);
    if (write == writes.end()) return "never written: " + text(each);
    if (each.end < write->second.begin)
      return text(each) + " ended before the " + text(write->second);
    join(zones.at(each.value), each);
  }
  std::vector<const Zone*> forward;
  for (const auto& [value, zone] : zones)
    if (zone.forward()) forward.push_back(&zone);
  std::sort(forward.begin(), forward.end(),
            [](const Zone* a, const Zone* b) { return a->low() < b->low(); });
  for (std::size_t i = 1; i < forward.size(); ++i)
    if (forward[i]->low() < forward[i - 1]->high())
      return "two values at one time: " + text(*forward[i - 1]) + "; and " + text(*forward[i]);
  for (const auto& [value, zone] : zones) {
    if (zone.forward()) continue;
    auto next = std::lower_bound(forward.begin(), forward.end(), zone.low(),
                                 [](const Zone* each, Time low) { return each->low() < low; });
    if (next != forward.begin() && zone.high() < (*std::prev(next))->high())
      return "no moment is left for " + text(zone) + "; within " + text(**std::prev(next));
  }
  return {};
}

} // namespace stress
