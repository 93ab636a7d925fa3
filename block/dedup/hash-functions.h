// The functions behind the hash algorithms, one source file for each library.
#ifndef BLOCK_DEDUP_HASH_FUNCTIONS_H
#define BLOCK_DEDUP_HASH_FUNCTIONS_H

#include "block/dedup/fingerprint.h"

namespace dedup {

// Each returns null if the library is missing, or lacks the algorithm. The first call may load it.
HashFunction* sha256_function();
HashFunction* sha3_256_function();
HashFunction* skein_256_function();
HashFunction* blake2b_256_function();
HashFunction* xxh3_128_function();

} // namespace dedup

#endif
