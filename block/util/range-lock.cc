// RangeLock: one list of held and waiting ranges; short, because it holds only requests in flight.
#include "block/range-lock.h"

namespace block {

RangeLock::Guard::Guard(RangeLock& lock, std::uint64_t begin, std::uint64_t end, Mode mode)
    : lock_(lock), entry_{{begin, end, mode == Mode::exclusive}} {
  std::unique_lock hold(lock_.mutex_);
  position_ = entry_.begin();
  lock_.ranges_.splice(lock_.ranges_.end(), entry_);
  // The lock is fair because a range waits for every earlier conflicting range, held or waiting.
  auto must_wait = [&] {
    for (auto other = lock_.ranges_.begin(); other != position_; ++other) {
      bool overlap = other->begin < position_->end && position_->begin < other->end;
      if (overlap && (other->exclusive || position_->exclusive)) return true;
    }
    return false;
  };
  lock_.released_.wait(hold, [&] { return !must_wait(); });
}

RangeLock::Guard::~Guard() {
  std::lock_guard hold(lock_.mutex_);
  entry_.splice(entry_.end(), lock_.ranges_, position_);
  lock_.released_.notify_all();
}

} // namespace block
