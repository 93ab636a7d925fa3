// The multi-buffer library with nothing around it: the peer of the Hasher's batches.
#ifndef BENCH_BARE_MULTI_BUFFER_H
#define BENCH_BARE_MULTI_BUFFER_H

#include "block/dedup/fingerprint.h"

#include <memory>
#include <span>

namespace bench {

// One thread at a time.
class BareMultiBuffer {
public:
  virtual ~BareMultiBuffer() = default;
  // Null if the build lacks the library, or the library does not know the processor.
  static std::unique_ptr<BareMultiBuffer> create();
  // SHA-256 of each cluster.
  virtual void hash(std::span<const std::byte* const> clusters, std::size_t cluster_bytes,
                    std::span<dedup::Fingerprint> out) = 0;
};

} // namespace bench

#endif
