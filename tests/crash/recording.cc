// Recorder: a write log, and the guest's model at each of its flushes.
#include "tests/crash/recording.h"

#include <algorithm>

namespace crash {
namespace {

constexpr const char* log_name = "crash-log";

} // namespace

void apply_flush(Bytes& durable, const Epoch& epoch) {
  for (std::size_t i = 0; i < epoch.flushed; ++i)
    block::apply_change(durable, epoch.changes[i]);
}

std::vector<Epoch> epochs_of(std::vector<block::LoggedRequest> log,
                             const std::vector<GuestModel>& guests) {
  std::vector<Epoch> epochs;
  std::vector<block::MemoryChange> open;
  std::vector<std::uint64_t> places; // of the open changes in the log
  auto end_epoch = [&](std::size_t flushed) {
    epochs.push_back({open, flushed, guests.at(epochs.size())});
    open.erase(open.begin(), open.begin() + static_cast<std::ptrdiff_t>(flushed));
    places.erase(places.begin(), places.begin() + static_cast<std::ptrdiff_t>(flushed));
  };
  for (std::uint64_t i = 0; i < log.size(); ++i) {
    if (log[i].is_flush()) {
      auto not_covered = std::lower_bound(places.begin(), places.end(), i - log[i].not_covered);
      end_epoch(static_cast<std::size_t>(not_covered - places.begin()));
      continue;
    }
    open.push_back(std::move(*log[i].change));
    places.push_back(i);
    if (!open.back().durable) continue;
    open.back().durable = false; // until it ended
    end_epoch(0);
    open.back().durable = true;
  }
  end_epoch(open.size());
  return epochs;
}

Recorder::Recorder(const block::MemoryFile& image, std::function<GuestModel()> guest)
    : guest_(std::move(guest)), log_(block::MemoryFile::create(log_name)), start_(image.content()) {
  log_->set_write_observer([this](std::uint64_t offset, std::span<const std::byte> bytes) {
    if (block::makes_durable(offset, bytes)) guests_.push_back(guest_());
  });
}

Options Recorder::recorded(Options options) {
  Options file = options.take_children("file");
  for (const auto& [key, value] : file.entries())
    options.set("file.file." + key, value);
  options.set("file.driver", "blklogwrites");
  options.set("file.log.driver", "memory");
  options.set("file.log.filename", log_name);
  options.set("file.log-append", "on");
  // So that the superblock counts all entries at any time.
  options.set("file.log-super-update-interval", "1");
  return options;
}

Result<Recording> Recorder::finish() {
  // First, because the driver's own threads may go on logging: each flush here has its model, and a
  // model too many is that at a later flush, which the end of this log comes before.
  const Bytes content = log_->content();
  log_->set_write_observer({});
  guests_.push_back(guest_());
  BLOCK_TRY_ASSIGN(std::vector<block::LoggedRequest> log, block::read_write_log(content));
  return Recording{std::move(start_), epochs_of(std::move(log), guests_)};
}

} // namespace crash
