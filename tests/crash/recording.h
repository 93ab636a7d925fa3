// Recording: what a workload wrote to the image file between flushes, and what its guest may expect
// if power fails there.
#ifndef TESTS_CRASH_RECORDING_H
#define TESTS_CRASH_RECORDING_H

#include "tests/crash/guest-model.h"
#include "tests/support/memory-file.h"

namespace crash {

using Bytes = std::vector<std::byte>;

// The time between two flushes of the image file.
struct Epoch {
  std::vector<block::MemoryChange> changes;
  GuestModel guest;
};

struct Recording {
  Bytes start; // the file before the first epoch
  std::vector<Epoch> epochs;
};

// Records from its construction on until finish(). The model is the one that the workload keeps.
class Recorder {
public:
  Recorder(block::MemoryFile& file, const GuestModel& guest);
  ~Recorder() { file_.set_hook({}); }
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;

  // Ends the last epoch, which no flush has ended.
  Recording finish();

private:
  void end_epoch();

  block::MemoryFile& file_;
  const GuestModel& guest_;
  Recording recording_;
};

} // namespace crash

#endif
