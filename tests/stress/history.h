// The history of one register, and whether it is linearizable: whether every operation can have
// taken effect at one moment between its begin and its end.
#ifndef TESTS_STRESS_HISTORY_H
#define TESTS_STRESS_HISTORY_H

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace stress {

// Nanoseconds of a clock that all threads share.
using Time = std::int64_t;

inline Time now() {
  return std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1);
}

struct Operation {
  enum class Kind { read, write };
  Kind kind;
  std::uint64_t value; // no value is written twice
  Time begin;
  Time end;
  unsigned thread; // for the message
};

// What is wrong with a history, or nothing. `initial` was written before everything else. Decides
// in n log n by the theorem of Gibbons and Korach for registers whose values are written once.
std::string fault_of(std::uint64_t initial, const std::vector<Operation>& operations);

} // namespace stress

#endif
