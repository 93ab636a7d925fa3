// Workload: what a guest does to a disk while a Recorder watches.
#ifndef TESTS_CRASH_WORKLOAD_H
#define TESTS_CRASH_WORKLOAD_H

#include "tests/crash/guest-disk.h"
#include "tests/crash/recording.h"

#include <ostream>
#include <random>

namespace crash {

// An image, and how hard it is used.
struct Workload {
  std::string name;
  Options create;            // creation options but for the size
  Options open;              // node options of the format
  std::size_t cluster_bytes; // as in `create`
  std::size_t clusters = 96; // guest clusters at first
  std::size_t filled = 0;    // of these, filled and flushed before the recording begins
  std::size_t longest = 12;  // clusters of one request
  std::size_t steps = 120;   // requests of each of the two sessions
  std::size_t flush_one_in = 12;
  // The content it is filled with is full of duplicates, and deduplication, which shared them, is
  // switched off before the recording begins: `create` has it.
  bool switched_off = false;
  // Nothing leaks in a crash, because the next opener rebuilds the refcounts.
  bool rebuilds = false;
  // The refcount table becomes too short in the course of it.
  bool moves_refcount_table = false;
  bool deduplicates() const { return create.contains("dedup") && !switched_off; }
  // Its part of the states that are judged; large images are slow.
  std::size_t weight = 4;
};

// How a failed test names it.
inline void PrintTo(const Workload& workload, std::ostream* stream) {
  *stream << workload.name;
}

// The node options that open the image in the memory file of that name.
Options node_options(const Workload& workload, const std::string& file);

// Runs the workload on a new image, in two sessions: the first is closed cleanly, the second never.
Result<Recording> record(const Workload& workload, std::uint64_t seed);

} // namespace crash

#endif
