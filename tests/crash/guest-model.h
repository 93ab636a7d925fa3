// GuestModel: what a guest may find on its disk after a power cut, sector by sector.
#ifndef TESTS_CRASH_GUEST_MODEL_H
#define TESTS_CRASH_GUEST_MODEL_H

#include "tests/crash/tags.h"

namespace crash {

// A sector reads as what it held at the last flush that was acknowledged, or as anything that was
// written to it since. Writes are told before they begin, because a power cut may meet them midway.
class GuestModel {
public:
  explicit GuestModel(std::size_t sectors) : sectors_(sectors), flushed_sectors_(sectors) {}

  void will_write(std::size_t first, std::span<const Tag> tags) {
    for (std::size_t i = 0; i < tags.size(); ++i)
      sectors_[first + i].since.push_back(tags[i]);
  }
  void will_grow(std::size_t sectors) { sectors_.resize(sectors); }
  void flushed() {
    flushed_sectors_ = sectors_.size();
    for (Sector& sector : sectors_) {
      sector.flushed = sector.current();
      sector.since.clear();
    }
  }

  std::size_t sectors() const { return sectors_.size(); }
  Tag current(std::size_t sector) const { return sectors_[sector].current(); }

  // Empty if that may be what the disk holds, else the first thing that may not.
  std::string objection(std::span<const Tag> disk) const;

private:
  struct Sector {
    Tag flushed = 0;
    std::vector<Tag> since;
    Tag current() const { return since.empty() ? flushed : since.back(); }
  };

  std::vector<Sector> sectors_;
  std::size_t flushed_sectors_; // the size of the disk at the last flush
};

} // namespace crash

#endif
