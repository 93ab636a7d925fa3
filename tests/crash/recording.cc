// Recorder: sees what every flush makes durable.
#include "tests/crash/recording.h"

namespace crash {

void apply_flush(Bytes& durable, const Epoch& epoch) {
  for (std::size_t i = 0; i < epoch.flushed; ++i)
    block::apply_change(durable, epoch.changes[i]);
}

Recorder::Recorder(block::MemoryFile& file, std::function<GuestModel()> guest)
    : file_(file), guest_(std::move(guest)) {
  recording_.start = file.content();
  file.set_content(recording_.start); // all of it durable
  file.set_flush_observer(
      [this](const std::vector<block::MemoryChange>& changes, std::size_t flushed) {
        recording_.epochs.push_back({changes, flushed, guest_()});
      });
}

Recording Recorder::finish() {
  file_.set_flush_observer({});
  std::vector<block::MemoryChange> rest = file_.unflushed();
  recording_.epochs.push_back({rest, rest.size(), guest_()});
  return std::move(recording_);
}

} // namespace crash
