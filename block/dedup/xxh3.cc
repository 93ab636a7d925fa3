// XXH3-128 by libxxhash, which cannot fail.
#include "block/dedup/hash-functions.h"

#include <cstring>
#include <xxhash.h>

namespace dedup {
namespace {

void hash(std::span<const std::byte* const> clusters, std::size_t cluster_bytes,
          std::span<Fingerprint> out) noexcept {
  for (std::size_t i = 0; i < clusters.size(); ++i) {
    XXH128_canonical_t digest; // the byte order that programs show and store
    XXH128_canonicalFromHash(&digest, XXH3_128bits(clusters[i], cluster_bytes));
    out[i] = Fingerprint();
    std::memcpy(out[i].bytes.data(), digest.digest, sizeof digest.digest);
  }
}

} // namespace

HashFunction* xxh3_128_function() {
  return hash;
}

} // namespace dedup
