// DeepCheck: compares the data of clusters with the fingerprints that the dedup table has of them.
#ifndef BLOCK_QCOW2_DEDUP_TABLE_DEEP_CHECK_H
#define BLOCK_QCOW2_DEDUP_TABLE_DEEP_CHECK_H

#include "block/dedup/fingerprint.h"
#include "block/qcow2/header.h"
#include "block/qcow2/host-file.h"
#include "block/util/aligned-buffer.h"

#include <functional>
#include <vector>

namespace qcow2_dedup {

// Gathers clusters, reads neighbours in one piece and hashes all of them in one batch. Takes some 4
// MiB of memory. One thread, while nobody writes to the image.
class DeepCheck {
public:
  // What becomes of a cluster that is not as it should be; called from add() and compare().
  struct Findings {
    std::function<void(block::HostCluster)> wrong; // its data has another fingerprint
    // Its data cannot be read or hashed.
    std::function<void(block::HostCluster, const block::Error&)> unknown;
  };

  DeepCheck(qcow2::HostFile& file, block::ClusterSize cluster_size, dedup::Hasher hasher,
            Findings findings);

  // Has the cluster compared, now or later. In rising order neighbours are read in one piece.
  void add(block::HostCluster cluster, const dedup::Fingerprint& expected);
  // Compares what was added since the last comparison.
  void compare();
  // Clusters whose data could be read and hashed, so far.
  std::uint64_t compared() const { return compared_; }

private:
  struct Waiting {
    block::HostCluster cluster;
    dedup::Fingerprint expected;
  };

  void read();
  void read_one_by_one(std::size_t begin, std::size_t end);
  std::span<std::byte> data_of(std::size_t index, std::size_t clusters = 1);

  qcow2::HostFile& file_;
  block::ClusterSize cluster_size_;
  dedup::Hasher hasher_;
  Findings findings_;
  block::AlignedBuffer memory_;
  std::vector<Waiting> waiting_; // each has its place in memory_
  std::vector<bool> readable_;   // of waiting_
  std::uint64_t compared_ = 0;
};

// Succeeds if this build can compute the fingerprints of the image's table, or it has none; else
// ErrorKind::unsupported with the hash algorithm, or what is wrong with the header extension.
block::Result<void> can_check_deep(const qcow2::Header& header);

} // namespace qcow2_dedup

#endif
