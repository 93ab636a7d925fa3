// For builds without the multi-buffer library: every thread hashes clusters one after the other.
#include "block/dedup/multi-buffer-sha256.h"

namespace dedup {

void MultiBufferSha256::Free::operator()(IMB_MGR*) const {}

MultiBufferSha256* MultiBufferSha256::of_this_thread() {
  return nullptr;
}

bool MultiBufferSha256::hash(std::span<const std::byte* const>, std::size_t,
                             std::span<Fingerprint>) {
  return false;
}

} // namespace dedup
