// MultiBufferSha256: jobs of the multi-buffer library, submitted and completed on the calling
// thread.
#include "block/dedup/multi-buffer-sha256.h"

#include <gnutls/crypto.h>
#include <intel-ipsec-mb.h>

#include <algorithm>
#include <array>
#include <vector>

namespace dedup {

void MultiBufferSha256::Free::operator()(IMB_MGR* manager) const {
  free_mb_mgr(manager);
}

std::unique_ptr<MultiBufferSha256> MultiBufferSha256::create() {
  Manager manager(alloc_mb_mgr(0));
  if (!manager) return nullptr;
  IMB_ARCH unused;
  init_mb_mgr_auto(manager.get(), &unused);
  if (imb_get_errno(manager.get()) != 0) return nullptr;
  std::unique_ptr<MultiBufferSha256> made(new MultiBufferSha256(std::move(manager)));
  return made->knows(512) ? std::move(made) : nullptr;
}

MultiBufferSha256* MultiBufferSha256::of_this_thread() {
  thread_local const std::unique_ptr<MultiBufferSha256> instance = create();
  return instance.get();
}

// A thread usually hashes clusters of one size, that of its image.
bool MultiBufferSha256::knows(std::size_t cluster_bytes) {
  if (proven_bytes_ != cluster_bytes) {
    proven_ = hashes_as_gnutls_does(cluster_bytes);
    proven_bytes_ = cluster_bytes;
  }
  return proven_;
}

// Tests every lane once, with different contents: equal digests of different clusters would be
// shared.
bool MultiBufferSha256::hashes_as_gnutls_does(std::size_t bytes) {
  std::vector<std::byte> contents(bytes + lanes);
  for (std::size_t i = 0; i < contents.size(); ++i)
    contents[i] = static_cast<std::byte>(i * 7 + i / 251);
  std::array<const std::byte*, lanes> clusters;
  for (std::size_t lane = 0; lane < lanes; ++lane)
    clusters[lane] = contents.data() + lane;
  std::array<Fingerprint, lanes> got;
  if (!hash_unproven(clusters, bytes, got)) return false;
  return std::ranges::equal(
      clusters, got, [bytes](const std::byte* cluster, const Fingerprint& digest) {
        Fingerprint expected;
        return gnutls_hash_fast(GNUTLS_DIG_SHA256, cluster, bytes, expected.bytes.data()) >= 0 &&
               digest == expected;
      });
}

bool MultiBufferSha256::hash(std::span<const std::byte* const> clusters, std::size_t cluster_bytes,
                             std::span<Fingerprint> out) {
  return knows(cluster_bytes) && hash_unproven(clusters, cluster_bytes, out);
}

// The library's checked interface refuses more than 65534 bytes, although its lanes count blocks of
// 64 bytes. So jobs are submitted unchecked, and knows() tests the size first.
bool MultiBufferSha256::hash_unproven(std::span<const std::byte* const> clusters,
                                      std::size_t cluster_bytes, std::span<Fingerprint> out) {
  IMB_MGR* manager = manager_.get();
  std::size_t completed = 0;
  const auto note = [&](const IMB_JOB* job) { completed += job->status == IMB_STATUS_COMPLETED; };
  for (std::size_t i = 0; i < clusters.size(); ++i) {
    IMB_JOB* job = IMB_GET_NEXT_JOB(manager);
    job->cipher_mode = IMB_CIPHER_NULL;
    job->cipher_direction = IMB_DIR_ENCRYPT;
    job->chain_order = IMB_ORDER_HASH_CIPHER;
    job->hash_alg = IMB_AUTH_SHA_256;
    job->src = reinterpret_cast<const std::uint8_t*>(clusters[i]);
    job->hash_start_src_offset_in_bytes = 0;
    job->msg_len_to_hash_in_bytes = cluster_bytes;
    job->auth_tag_output = reinterpret_cast<std::uint8_t*>(out[i].bytes.data());
    job->auth_tag_output_len_in_bytes = out[i].bytes.size();
    // Completed jobs must be fetched, or they would fill the library's queue.
    for (job = IMB_SUBMIT_JOB_NOCHECK(manager); job; job = IMB_GET_COMPLETED_JOB(manager))
      note(job);
  }
  while (const IMB_JOB* job = IMB_FLUSH_JOB(manager))
    note(job);
  return completed == clusters.size();
}

} // namespace dedup
