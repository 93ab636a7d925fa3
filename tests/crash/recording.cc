// Recorder: sees every flush before it happens.
#include "tests/crash/recording.h"

namespace crash {

Recorder::Recorder(block::MemoryFile& file, const GuestModel& guest) : file_(file), guest_(guest) {
  recording_.start = file.content();
  file.set_content(recording_.start); // all of it durable
  file.set_hook([this](block::MemoryOperation operation, std::uint64_t, std::uint64_t) {
    if (operation == block::MemoryOperation::flush) end_epoch();
  });
}

void Recorder::end_epoch() {
  recording_.epochs.push_back({file_.unflushed(), guest_});
}

Recording Recorder::finish() {
  file_.set_hook({});
  end_epoch();
  return std::move(recording_);
}

} // namespace crash
