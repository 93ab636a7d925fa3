// PowerCut: which of the writes of one epoch reached the disk when power failed.
#ifndef TESTS_CRASH_POWER_CUT_H
#define TESTS_CRASH_POWER_CUT_H

#include "tests/crash/recording.h"

#include <optional>

namespace crash {

struct PowerCut {
  enum class Kind {
    nothing,    // none of them
    everything, // all of them
    prefix,     // the first `which`
    only,       // the one numbered `which`
    all_but,    // all but that one
    torn,       // all before that one, and some sectors of it
    torn_alone, // some sectors of that one alone
    subset,     // each by chance, torn or whole or not at all
  };
  Kind kind;
  std::size_t which = 0; // for a subset: its number

  std::string describe() const;
};

// Every power cut that a test of this epoch considers, `subsets` chance ones among them.
std::vector<PowerCut> power_cuts(const Epoch& epoch, std::size_t subsets);

// What the file holds after the power cut, if it held `durable` at the start of the epoch. The seed
// decides what is left to chance.
Bytes image_after(const Bytes& durable, const Epoch& epoch, PowerCut cut, std::uint64_t seed);

} // namespace crash

#endif
