// The functions behind the hash algorithms, one file for each library that has some.
#ifndef BLOCK_DEDUP_HASH_FUNCTIONS_H
#define BLOCK_DEDUP_HASH_FUNCTIONS_H

#include "block/dedup/fingerprint.h"

#include <cstddef>
#include <span>

namespace dedup {

// Does what Hasher::fingerprint() promises: out[i] becomes the fingerprint of the cluster_bytes
// bytes at clusters[i], or all zero if the library fails. Any number of threads may call it.
using HashFunction = void(std::span<const std::byte* const> clusters, std::size_t cluster_bytes,
                          std::span<Fingerprint> out) noexcept;

// Each is null if the build lacks the library, or if the library lacks the algorithm.
HashFunction* sha256_function();
HashFunction* sha3_256_function();
HashFunction* skein_256_function();
HashFunction* blake2b_256_function();
HashFunction* xxh3_128_function();

} // namespace dedup

#endif
