// Hash algorithms by number and name, and the Hasher that calls their functions.
#include "block/dedup/fingerprint.h"

#include "block/dedup/hash-functions.h"
#include "block/endian.h"

#include <cassert>

namespace dedup {

struct Algorithm {
  HashAlgorithm number;
  std::string_view name;
  std::string_view other_name; // accepted, too; may be empty
  std::string_view library;    // the library with the function
  HashFunction* (*function)(); // returns null if the library is missing
  bool collides;               // not collision resistant: a match proves nothing
};

namespace {

std::span<const Algorithm> algorithms() {
  using enum HashAlgorithm;
  static const Algorithm known[] = {
      {sha256, "sha256", "", "GnuTLS", sha256_function, false},
      {sha3_256, "sha3-256", "", "nettle", sha3_256_function, false},
      {skein_256, "skein", "", "Botan", skein_256_function, false},
      {blake2b_256, "blake2b-256", "blake2b", "Botan", blake2b_256_function, false},
      {xxh3_128, "xxh3-128", "", "libxxhash", xxh3_128_function, true},
  };
  return known;
}

// Returns null if the number is not known.
const Algorithm* find(HashAlgorithm number) {
  for (const Algorithm& algorithm : algorithms())
    if (algorithm.number == number) return &algorithm;
  return nullptr;
}

block::Result<const Algorithm*> find_usable(HashAlgorithm number) {
  const Algorithm* algorithm = find(number);
  if (algorithm && algorithm->function()) return algorithm;
  std::string message = "hash " + name_of(number) + " is not supported";
  if (algorithm) message += " by this build, made without " + std::string(algorithm->library);
  return block::Error(block::ErrorKind::unsupported, std::move(message));
}

} // namespace

std::uint64_t Fingerprint::prefix64() const {
  return block::load_big_endian<std::uint64_t>(bytes.data());
}

bool is_known(HashAlgorithm algorithm) {
  return find(algorithm) != nullptr;
}

std::string name_of(HashAlgorithm algorithm) {
  if (const Algorithm* known = find(algorithm)) return std::string(known->name);
  return "algorithm " + std::to_string(static_cast<unsigned>(algorithm));
}

block::Result<HashAlgorithm> algorithm_named(std::string_view name) {
  std::string names;
  for (const Algorithm& algorithm : algorithms()) {
    if (!name.empty() && (name == algorithm.name || name == algorithm.other_name))
      return algorithm.number;
    names += (names.empty() ? "" : ", ") + std::string(algorithm.name);
  }
  return block::Error(block::ErrorKind::invalid_argument,
                      "unknown hash algorithm '" + std::string(name) + "'")
      .with_hint("Known are " + names + ".");
}

block::Result<void> check_usable(HashAlgorithm algorithm) {
  BLOCK_TRY(find_usable(algorithm));
  return {};
}

block::Result<Hasher> Hasher::create(HashAlgorithm algorithm) {
  BLOCK_TRY_ASSIGN(const Algorithm* usable, find_usable(algorithm));
  return Hasher(*usable, usable->function());
}

HashAlgorithm Hasher::algorithm() const {
  return algorithm_->number;
}

bool Hasher::collides() const {
  return algorithm_->collides;
}

void Hasher::fingerprint(std::span<const std::byte* const> clusters, std::size_t cluster_bytes,
                         std::span<Fingerprint> out) const {
  assert(out.size() == clusters.size());
  function_(clusters, cluster_bytes, out);
}

} // namespace dedup
