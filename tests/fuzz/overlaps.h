// Whether an image's mapping leads into its own metadata: refcounts can count such references
// rightly, so a check finds nothing, but no program can serve such a guest.
#ifndef TESTS_FUZZ_OVERLAPS_H
#define TESTS_FUZZ_OVERLAPS_H

#include "tests/fuzz/hostile-image.h"

namespace fuzz {

// Of an image in which a check finds nothing.
bool metadata_is_shared(const Bytes& content);

} // namespace fuzz

#endif
