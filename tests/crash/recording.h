// Recording: what a workload wrote to the image file between flushes, and what its guest may expect
// if power fails there.
#ifndef TESTS_CRASH_RECORDING_H
#define TESTS_CRASH_RECORDING_H

#include "tests/crash/guest-model.h"
#include "tests/support/write-log-reader.h"

#include "block/options.h"

namespace crash {

using block::Options;
using block::Result;
using Bytes = std::vector<std::byte>;

// The time between two flushes of the image file.
struct Epoch {
  // In the order in which they were made. Those with `durable` have reached the disk for sure.
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

// The times between the flushes of a log. A write with FUA ends an epoch too, at whose end it is
// the only thing that is durable. `guests` are the models at these ends, and last that at the end
// of the log.
std::vector<Epoch> epochs_of(std::vector<block::LoggedRequest> log,
                             const std::vector<GuestModel>& guests);

// Records what a filter blklogwrites over the file logs, from construction on until finish().
// `guest` gives the model as it is now; it is called at the moment in which a flush is logged, on
// the thread that flushes. One at a time.
class Recorder {
public:
  Recorder(const block::MemoryFile& image, std::function<GuestModel()> guest);
  ~Recorder() { log_->set_write_observer({}); }
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;

  // For nodes whose child "file" is the image file: puts the filter between the two. One node after
  // the other may be opened with it.
  static Options recorded(Options options);

  // Ends the last epoch, which no flush has ended. The image may still be written and flushed.
  // Errors: those of reading the log.
  Result<Recording> finish();

private:
  const std::function<GuestModel()> guest_;
  const std::shared_ptr<block::MemoryFile> log_;
  Bytes start_;
  std::vector<GuestModel> guests_;
};

} // namespace crash

#endif
