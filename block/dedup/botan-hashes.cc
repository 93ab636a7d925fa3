// Skein and BLAKE2b by Botan, whose hash objects allocate memory, throw, and each serve one thread.
//
// A module of its own, see botan.cc.
#include "block/dedup/botan-hashes.h"

#include <botan/hash.h>

#include <memory>

namespace dedup {
namespace {

constexpr char skein_256[] = "Skein-512(256)";
constexpr char blake2b_256[] = "BLAKE2b(256)";

// Returns null if Botan has no such hash or fails.
std::unique_ptr<Botan::HashFunction> create(const char* name) noexcept {
  try {
    return Botan::HashFunction::create(name);
  } catch (...) {
    return nullptr;
  }
}

bool hash_one(Botan::HashFunction& function, const std::byte* data, std::size_t bytes,
              Fingerprint& out) noexcept {
  try {
    function.update(reinterpret_cast<const std::uint8_t*>(data), bytes);
    function.final(reinterpret_cast<std::uint8_t*>(out.bytes.data()));
    return true;
  } catch (...) {
    return false;
  }
}

template <const char* name>
void hash(std::span<const std::byte* const> clusters, std::size_t cluster_bytes,
          std::span<Fingerprint> out) noexcept {
  thread_local std::unique_ptr<Botan::HashFunction> function;
  for (std::size_t i = 0; i < clusters.size(); ++i) {
    if (!function) function = create(name);
    if (function && hash_one(*function, clusters[i], cluster_bytes, out[i])) continue;
    out[i] = Fingerprint();
    function.reset(); // the bytes of this cluster must not enter the next digest
  }
}

template <const char* name>
HashFunction* function_if_there() {
  return create(name) ? hash<name> : nullptr;
}

} // namespace

} // namespace dedup

dedup::HashFunction* dedup_botan_skein_256() {
  return dedup::function_if_there<dedup::skein_256>();
}

dedup::HashFunction* dedup_botan_blake2b_256() {
  return dedup::function_if_there<dedup::blake2b_256>();
}
