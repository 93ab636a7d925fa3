// Lookups: looks up the requested fingerprint and those after it, which are likely to be requested
// next.
#include "block/dedup/lookups.h"

#include <algorithm>

namespace dedup {

const Candidates& Lookups::candidates(std::size_t number) {
  if (number < begin_ || number >= end_) {
    begin_ = number;
    end_ = std::min(number + asked_at_once, fingerprints_.size());
    index_.find(fingerprints_.subspan(begin_, end_ - begin_), found_);
  }
  return found_[number - begin_];
}

} // namespace dedup
