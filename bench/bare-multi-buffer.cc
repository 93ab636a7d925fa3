// BareMultiBuffer: submits a job for each cluster, and no more.
#include "bench/bare-multi-buffer.h"

#include <intel-ipsec-mb.h>

namespace bench {
namespace {

struct Free {
  void operator()(IMB_MGR* manager) const { free_mb_mgr(manager); }
};

class Loop final : public BareMultiBuffer {
public:
  explicit Loop(IMB_MGR* manager) : manager_(manager) {}

  void hash(std::span<const std::byte* const> clusters, std::size_t cluster_bytes,
            std::span<dedup::Fingerprint> out) override {
    for (std::size_t i = 0; i < clusters.size(); ++i) {
      IMB_JOB* job = IMB_GET_NEXT_JOB(manager_.get());
      job->cipher_mode = IMB_CIPHER_NULL;
      job->cipher_direction = IMB_DIR_ENCRYPT;
      job->chain_order = IMB_ORDER_HASH_CIPHER;
      job->hash_alg = IMB_AUTH_SHA_256;
      job->src = reinterpret_cast<const std::uint8_t*>(clusters[i]);
      job->hash_start_src_offset_in_bytes = 0;
      job->msg_len_to_hash_in_bytes = cluster_bytes;
      job->auth_tag_output = reinterpret_cast<std::uint8_t*>(out[i].bytes.data());
      job->auth_tag_output_len_in_bytes = out[i].bytes.size();
      IMB_SUBMIT_JOB_NOCHECK(manager_.get());
      while (IMB_GET_COMPLETED_JOB(manager_.get())) {
      }
    }
    while (IMB_FLUSH_JOB(manager_.get())) {
    }
  }

private:
  std::unique_ptr<IMB_MGR, Free> manager_;
};

} // namespace

std::unique_ptr<BareMultiBuffer> BareMultiBuffer::create() {
  IMB_MGR* manager = alloc_mb_mgr(0);
  if (!manager) return nullptr;
  auto loop = std::make_unique<Loop>(manager);
  IMB_ARCH unused;
  init_mb_mgr_auto(manager, &unused);
  return imb_get_errno(manager) == 0 ? std::move(loop) : nullptr;
}

} // namespace bench
