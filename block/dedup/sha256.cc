// SHA-256 by libipsec-mb for batches, by GnuTLS for single clusters, by nettle if GnuTLS refuses.
#include "block/dedup/hash-functions.h"
#include "block/dedup/multi-buffer-sha256.h"

#include <gnutls/crypto.h>
#include <nettle/sha2.h>

namespace dedup {
namespace {

void hash_one(const std::byte* data, std::size_t bytes, Fingerprint& out) {
  // The faster of the two libraries (docs/developer/decisions/hash-library.md). GnuTLS may refuse,
  // for example after a failed self test; nettle cannot fail.
  if (gnutls_hash_fast(GNUTLS_DIG_SHA256, data, bytes, out.bytes.data()) >= 0) return;
  sha256_ctx context;
  sha256_init(&context);
  sha256_update(&context, bytes, reinterpret_cast<const std::uint8_t*>(data));
  sha256_digest(&context, out.bytes.size(), reinterpret_cast<std::uint8_t*>(out.bytes.data()));
}

// Hashes as many of the first clusters in lanes as that is faster for; returns their number.
std::size_t hash_in_lanes(std::span<const std::byte* const> clusters, std::size_t cluster_bytes,
                          std::span<Fingerprint> out) {
  using Lanes = MultiBufferSha256;
  std::size_t rest = clusters.size() % Lanes::lanes;
  std::size_t count = rest >= Lanes::worthwhile ? clusters.size() : clusters.size() - rest;
  Lanes* lanes = count > 0 ? Lanes::of_this_thread() : nullptr;
  return lanes && lanes->hash(clusters.first(count), cluster_bytes, out.first(count)) ? count : 0;
}

void hash(std::span<const std::byte* const> clusters, std::size_t cluster_bytes,
          std::span<Fingerprint> out) noexcept {
  for (std::size_t i = hash_in_lanes(clusters, cluster_bytes, out); i < clusters.size(); ++i)
    hash_one(clusters[i], cluster_bytes, out[i]);
}

} // namespace

HashFunction* sha256_function() {
  return hash;
}

} // namespace dedup
