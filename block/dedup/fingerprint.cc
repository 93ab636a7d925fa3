// Hash algorithms by number and name, and SHA-256 by the libraries that have it.
#include "block/dedup/fingerprint.h"

#include "block/dedup/multi-buffer-sha256.h"
#include "block/util/big-endian.h"

#include <gnutls/crypto.h>
#include <nettle/sha2.h>

#include <algorithm>
#include <cassert>
#include <utility>

namespace dedup {
namespace {

constexpr std::pair<HashAlgorithm, std::string_view> algorithm_names[] = {
    {HashAlgorithm::sha256, "sha256"},     {HashAlgorithm::sha3_256, "sha3-256"},
    {HashAlgorithm::skein_256, "skein"},   {HashAlgorithm::blake2b_256, "blake2b-256"},
    {HashAlgorithm::xxh3_128, "xxh3-128"},
};

void sha256(const std::byte* data, std::size_t bytes, Fingerprint& out) {
  // The faster of the two libraries (docs/decisions/hash-library.md). GnuTLS may refuse, for
  // example after a failed self test; nettle has no way to fail.
  if (gnutls_hash_fast(GNUTLS_DIG_SHA256, data, bytes, out.bytes.data()) >= 0) return;
  sha256_ctx context;
  sha256_init(&context);
  sha256_update(&context, bytes, reinterpret_cast<const std::uint8_t*>(data));
  sha256_digest(&context, out.bytes.size(), reinterpret_cast<std::uint8_t*>(out.bytes.data()));
}

// Hashes as many of the first clusters as are worth it several at a time; returns how many.
std::size_t sha256_in_lanes(std::span<const std::byte* const> clusters, std::size_t cluster_bytes,
                            std::span<Fingerprint> out) {
  using Lanes = MultiBufferSha256;
  std::size_t rest = clusters.size() % Lanes::lanes;
  std::size_t count = rest >= Lanes::worthwhile ? clusters.size() : clusters.size() - rest;
  Lanes* lanes = count > 0 ? Lanes::of_this_thread() : nullptr;
  return lanes && lanes->hash(clusters.first(count), cluster_bytes, out.first(count)) ? count : 0;
}

} // namespace

bool Fingerprint::is_zero() const {
  return std::ranges::all_of(bytes, [](std::byte byte) { return byte == std::byte{0}; });
}

std::uint64_t Fingerprint::prefix64() const {
  return block::load_big_endian<std::uint64_t>(bytes.data());
}

bool is_known(HashAlgorithm algorithm) {
  return std::ranges::any_of(algorithm_names,
                             [&](const auto& entry) { return entry.first == algorithm; });
}

std::string name_of(HashAlgorithm algorithm) {
  for (const auto& [known, name] : algorithm_names)
    if (known == algorithm) return std::string(name);
  return "algorithm " + std::to_string(static_cast<unsigned>(algorithm));
}

std::optional<HashAlgorithm> algorithm_named(std::string_view name) {
  for (const auto& [algorithm, known_name] : algorithm_names)
    if (known_name == name) return algorithm;
  return std::nullopt;
}

block::Result<void> check_usable(HashAlgorithm algorithm) {
  if (algorithm == HashAlgorithm::sha256) return {};
  return block::Error(block::ErrorKind::unsupported,
                      "deduplication by hash " + name_of(algorithm) + " is not supported");
}

block::Result<Hasher> Hasher::create(HashAlgorithm algorithm) {
  BLOCK_TRY(check_usable(algorithm));
  return Hasher(algorithm);
}

void Hasher::fingerprint(std::span<const std::byte* const> clusters, std::size_t cluster_bytes,
                         std::span<Fingerprint> out) const {
  assert(out.size() == clusters.size());
  for (std::size_t i = sha256_in_lanes(clusters, cluster_bytes, out); i < clusters.size(); ++i)
    sha256(clusters[i], cluster_bytes, out[i]);
}

} // namespace dedup
