// SHA-256 of many clusters at once, each in a lane of the processor's vector registers.
#ifndef BLOCK_DEDUP_MULTI_BUFFER_SHA256_H
#define BLOCK_DEDUP_MULTI_BUFFER_SHA256_H

#include "block/dedup/fingerprint.h"

#include <cstddef>
#include <memory>
#include <span>

struct IMB_MGR;

namespace dedup {

// Wraps Intel's multi-buffer library (docs/developer/decisions/hash-library.md). One thread at a
// time.
class MultiBufferSha256 {
public:
  // One pass hashes up to this many clusters in the time of one.
  static constexpr std::size_t lanes = 16;
  // From this many clusters on, a pass takes less time than hashing them one after the other.
  static constexpr std::size_t worthwhile = 6;

  // Returns the calling thread's own instance, which lives as long as the thread. Null if the build
  // lacks the library, if the library does not support the processor, or if its hashes differ from
  // those of GnuTLS.
  static MultiBufferSha256* of_this_thread();

  // Sets out[i] to the digest of the cluster_bytes bytes, a multiple of 512, at clusters[i]. `out`
  // must have as many elements as `clusters`. Returns false if the library refused, or if its
  // hashes of clusters of that size differ from those of GnuTLS; `out` is undefined then.
  bool hash(std::span<const std::byte* const> clusters, std::size_t cluster_bytes,
            std::span<Fingerprint> out);

private:
  struct Free {
    void operator()(IMB_MGR* manager) const;
  };
  using Manager = std::unique_ptr<IMB_MGR, Free>;

  explicit MultiBufferSha256(Manager manager) : manager_(std::move(manager)) {}
  static std::unique_ptr<MultiBufferSha256> create();
  bool knows(std::size_t cluster_bytes);
  bool hashes_as_gnutls_does(std::size_t cluster_bytes);
  bool hash_unproven(std::span<const std::byte* const> clusters, std::size_t cluster_bytes,
                     std::span<Fingerprint> out);

  Manager manager_;              // some 200 KB
  std::size_t proven_bytes_ = 0; // the cluster size that was tried last
  bool proven_ = false;          // ... and whether the digests were right
};

} // namespace dedup

#endif
