// The decisions of deduplication, counted. docs/user/counters.md explains them to users.
#ifndef BLOCK_DEDUP_COUNTERS_H
#define BLOCK_DEDUP_COUNTERS_H

#include "block/info.h"

#include <atomic>
#include <cstdint>

namespace dedup {

// A number that many threads add to. Relaxed memory order: it only counts, and orders no other
// memory access.
class Counter {
public:
  void add(std::uint64_t amount = 1) { value_.fetch_add(amount, std::memory_order_relaxed); }
  std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

private:
  std::atomic<std::uint64_t> value_{0};
};

// Counts since open. No lock needed; figures read together may differ by the requests in flight.
struct Counters {
#define DEDUP_COUNTER(name, documentation) Counter name;
  BLOCK_DEDUP_COUNTERS(DEDUP_COUNTER)
#undef DEDUP_COUNTER

  // Sets the members of the same names; leaves the rest of `info` unchanged.
  void fill(block::DedupInfo& info) const {
#define FILL_DEDUP_COUNTER(name, documentation) info.name = name.value();
    BLOCK_DEDUP_COUNTERS(FILL_DEDUP_COUNTER)
#undef FILL_DEDUP_COUNTER
  }
};

} // namespace dedup

#endif
