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
    for (Sector& sector : sectors_)
      sector.flush(sector.since.size());
  }

  // For a guest whose requests overlap: how many writes of each sector have been told; and that a
  // flush has ended before which so many of them had ended.
  std::uint64_t writes_of(std::size_t sector) const {
    return sectors_[sector].before + sectors_[sector].since.size();
  }
  void flushed(std::span<const std::uint64_t> writes) {
    for (std::size_t i = 0; i < writes.size(); ++i)
      if (writes[i] > sectors_[i].before) sectors_[i].flush(writes[i] - sectors_[i].before);
  }

  std::size_t sectors() const { return sectors_.size(); }
  Tag current(std::size_t sector) const { return sectors_[sector].current(); }

  // Empty if that may be what the disk holds, else the first thing that may not.
  std::string objection(std::span<const Tag> disk) const;

private:
  struct Sector {
    Tag flushed = 0;
    std::vector<Tag> since;
    std::uint64_t before = 0; // how many writes `flushed` stands for
    Tag current() const { return since.empty() ? flushed : since.back(); }
    void flush(std::size_t writes) {
      if (writes == 0) return;
      flushed = since[writes - 1];
      since.erase(since.begin(), since.begin() + static_cast<std::ptrdiff_t>(writes));
      before += writes;
    }
  };

  std::vector<Sector> sectors_;
  std::size_t flushed_sectors_; // the size of the disk at the last flush
};

} // namespace crash

#endif
