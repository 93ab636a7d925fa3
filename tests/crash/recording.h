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
  // So many of them, from the first on, are durable in the next epoch; the others were made while
  // the flush ran, and belong to the next epoch too.
  std::size_t flushed;
  GuestModel guest;
};

struct Recording {
  Bytes start; // the file before the first epoch
  std::vector<Epoch> epochs;
};

// Makes what the epoch's flush made durable part of `durable`.
void apply_flush(Bytes& durable, const Epoch& epoch);

// Records from its construction on until finish(). `guest` gives the model as it is now; it is
// called on the thread that flushes.
class Recorder {
public:
  Recorder(block::MemoryFile& file, std::function<GuestModel()> guest);
  ~Recorder() { file_.set_flush_observer({}); }
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;

  // Ends the last epoch, which no flush has ended.
  Recording finish();

private:
  block::MemoryFile& file_;
  const std::function<GuestModel()> guest_;
  Recording recording_;
};

} // namespace crash

#endif
