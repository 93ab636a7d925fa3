// Fingerprints of cluster contents, and the hash algorithms that compute them.
#ifndef BLOCK_DEDUP_FINGERPRINT_H
#define BLOCK_DEDUP_FINGERPRINT_H

#include "block/result.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <span>
#include <string>
#include <string_view>

namespace dedup {

// The hash of one cluster's content: 32 bytes, a shorter digest is padded with zeros at its end.
// All zero means "no fingerprint".
struct Fingerprint {
  std::array<std::byte, 32> bytes{};

  // Compares all 32 bytes at once, because every write compares entries, even one that is not
  // deduplicated.
  bool operator==(const Fingerprint& other) const {
    return std::memcmp(bytes.data(), other.bytes.data(), sizeof(bytes)) == 0;
  }
  bool is_zero() const { return *this == Fingerprint{}; }
  // The first 64 bits as a big-endian number, so numbers order as the bytes do.
  std::uint64_t prefix64() const;
  // The first 48 bits likewise: the part of a fingerprint that the index keeps. Below 2^48.
  std::uint64_t prefix48() const { return prefix64() >> 16; }
};

// Numbers as the image stores them. An image may hold a number that is not listed here. The type
// carries it, is_known() returns false, and no Hasher can be created for it.
enum class HashAlgorithm : std::uint8_t {
  sha256 = 0,
  sha3_256 = 1,
  skein_256 = 2,
  blake2b_256 = 16,
  xxh3_128 = 17,
};

bool is_known(HashAlgorithm algorithm);
// The name of the algorithm for users, such as "sha256". For an unknown number "algorithm N".
std::string name_of(HashAlgorithm algorithm);
// Returns the algorithm of that name, whether or not this build can use it. "blake2b" is another
// name of blake2b-256. Error: invalid_argument for an unknown name, with the known names as the
// hint.
block::Result<HashAlgorithm> algorithm_named(std::string_view name);
// Succeeds if this build can compute the algorithm. Error: unsupported, with the name, and with the
// missing library.
block::Result<void> check_usable(HashAlgorithm algorithm);

struct Algorithm;

// The function behind Hasher::fingerprint(): out[i] becomes the fingerprint of the cluster_bytes
// bytes at clusters[i], or all zero if the library fails. Any number of threads may call it.
using HashFunction = void(std::span<const std::byte* const> clusters, std::size_t cluster_bytes,
                          std::span<Fingerprint> out) noexcept;

// Computes fingerprints. Has no state that changes: any number of threads may use one Hasher at
// once. Hashing a 4 KiB cluster takes some microseconds, so call it without any lock.
class Hasher {
public:
  // Errors: those of check_usable().
  static block::Result<Hasher> create(HashAlgorithm algorithm);

  HashAlgorithm algorithm() const;
  // Returns true if the algorithm is not collision resistant. Then different contents with one
  // fingerprint may be found or made, so every match must be confirmed by comparing bytes.
  bool collides() const;

  // Sets out[i] to the fingerprint of the cluster_bytes bytes at clusters[i]. `out` must have as
  // many elements as `clusters`. If the library of the algorithm fails (it may be out of memory),
  // out[i] becomes all zero: that cluster has no fingerprint, and equals no other.
  void fingerprint(std::span<const std::byte* const> clusters, std::size_t cluster_bytes,
                   std::span<Fingerprint> out) const;

private:
  Hasher(const Algorithm& algorithm, HashFunction* function)
      : algorithm_(&algorithm), function_(function) {}

  // Both live as long as the program.
  const Algorithm* algorithm_;
  HashFunction* function_;
};

} // namespace dedup

template <>
struct std::hash<dedup::Fingerprint> {
  std::size_t operator()(const dedup::Fingerprint& fingerprint) const noexcept {
    return static_cast<std::size_t>(fingerprint.prefix64());
  }
};

#endif
