// SHA3-256 by nettle, which cannot fail.
#include "block/dedup/hash-functions.h"

#include <nettle/sha3.h>

namespace dedup {
namespace {

void hash(std::span<const std::byte* const> clusters, std::size_t cluster_bytes,
          std::span<Fingerprint> out) noexcept {
  sha3_256_ctx context;
  sha3_256_init(&context);
  for (std::size_t i = 0; i < clusters.size(); ++i) {
    sha3_256_update(&context, cluster_bytes, reinterpret_cast<const std::uint8_t*>(clusters[i]));
    // Also resets the context for the next cluster.
    sha3_256_digest(&context, out[i].bytes.size(),
                    reinterpret_cast<std::uint8_t*>(out[i].bytes.data()));
  }
}

} // namespace

HashFunction* sha3_256_function() {
  return hash;
}

} // namespace dedup
