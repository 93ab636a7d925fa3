// TimeShare: limits deferrable work to a part of the time.
#ifndef BLOCK_QCOW2_TIME_SHARE_H
#define BLOCK_QCOW2_TIME_SHARE_H

#include <algorithm>
#include <chrono>

namespace qcow2 {

// Elapsed time gives credit for the work, in the ratio of 1 to `part`. Work that takes longer than
// its credit has to wait correspondingly longer for its next turn. Not synchronised.
class TimeShare {
public:
  using Clock = std::chrono::steady_clock;

  // `most`: the initial credit, and its upper limit.
  TimeShare(unsigned part, Clock::duration most) : part_(part), most_(most), credit_(most) {}

  // Returns how long the work may take now; 0 or less: it has to wait.
  Clock::duration left(Clock::time_point now = Clock::now()) {
    credit_ = std::min(most_, credit_ + (now - counted_until_) / part_);
    counted_until_ = now;
    return credit_;
  }
  void spend(Clock::duration took) { credit_ -= took; }

private:
  const unsigned part_;
  const Clock::duration most_;
  Clock::duration credit_;
  Clock::time_point counted_until_ = Clock::now();
};

} // namespace qcow2

#endif
