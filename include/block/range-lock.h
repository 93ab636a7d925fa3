// RangeLock: requests that touch the same range wait for each other; other requests do not wait.
#ifndef BLOCK_RANGE_LOCK_H
#define BLOCK_RANGE_LOCK_H

#include <condition_variable>
#include <cstdint>
#include <list>
#include <mutex>

namespace block {

// Locks half-open ranges of 64-bit numbers, shared by readers or held by one writer. Any thread. A
// thread must not take a second range of the same RangeLock while it holds one that overlaps. Fair:
// an earlier conflicting request goes first.
class RangeLock {
  struct Range {
    std::uint64_t begin;
    std::uint64_t end;
    bool exclusive;
  };

public:
  enum class Mode { shared, exclusive };

  class Guard {
  public:
    Guard(RangeLock& lock, std::uint64_t begin, std::uint64_t end, Mode mode);
    ~Guard();
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;

  private:
    RangeLock& lock_;
    std::list<Range> entry_; // holds one element while it is not in lock_.ranges_
    std::list<Range>::iterator position_;
  };

private:
  std::mutex mutex_;
  std::condition_variable released_;
  std::list<Range> ranges_; // guarded by mutex_; in the order of arrival, waiting ones included
};

} // namespace block

#endif
