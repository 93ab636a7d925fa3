// The functions that the module with Botan's hashes exports: as those of hash-functions.h, under
// names that are looked up at run time.
#ifndef BLOCK_DEDUP_BOTAN_HASHES_H
#define BLOCK_DEDUP_BOTAN_HASHES_H

#include "block/dedup/hash-functions.h"

#define DEDUP_EXPORT extern "C" __attribute__((visibility("default")))

// Return null if Botan has no such hash. The functions stay valid until the program ends.
DEDUP_EXPORT dedup::HashFunction* dedup_botan_skein_256();
DEDUP_EXPORT dedup::HashFunction* dedup_botan_blake2b_256();

#endif
