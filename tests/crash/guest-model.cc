// GuestModel: the judgement over a disk.
#include "tests/crash/guest-model.h"

#include <algorithm>

namespace crash {

std::string GuestModel::objection(std::span<const Tag> disk) const {
  if (disk.size() < flushed_sectors_ || disk.size() > sectors_.size())
    return "the disk has " + std::to_string(disk.size()) + " sectors, it had " +
           std::to_string(flushed_sectors_) + " at the last flush";
  for (std::size_t i = 0; i < disk.size(); ++i) {
    const Sector& sector = sectors_[i];
    if (disk[i] == sector.flushed ||
        std::find(sector.since.begin(), sector.since.end(), disk[i]) != sector.since.end())
      continue;
    std::string text = "sector " + std::to_string(i) + " reads as " + describe(disk[i]) +
                       ", but was flushed as " + describe(sector.flushed);
    for (Tag tag : sector.since)
      text += ", then written as " + describe(tag);
    return text;
  }
  return {};
}

} // namespace crash
