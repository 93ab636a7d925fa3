// DeepCheck: compares the data of clusters with their fingerprints in the dedup table.
#ifndef BLOCK_QCOW2_DEDUP_TABLE_DEEP_CHECK_H
#define BLOCK_QCOW2_DEDUP_TABLE_DEEP_CHECK_H

#include "block/dedup/fingerprint.h"
#include "block/qcow2/data-file.h"
#include "block/qcow2/header.h"
#include "block/util/aligned-buffer.h"

#include <functional>
#include <vector>

namespace qcow2_dedup {

// It collects clusters, reads neighbours in one piece and hashes all of them in one batch. Takes
// about 4 MiB of memory. One thread; nothing may write to the image meanwhile.
class DeepCheck {
public:
  // Called from add() and compare() for a cluster that fails the comparison.
  struct Findings {
    std::function<void(block::HostCluster)> wrong; // its data has another fingerprint
    // Its data cannot be read or hashed.
    std::function<void(block::HostCluster, const block::Error&)> unknown;
  };

  DeepCheck(qcow2::DataFile data, block::ClusterSize cluster_size, dedup::Hasher hasher,
            Findings findings);

  // Compares the cluster, now or later. If clusters are added in rising order, neighbours are read
  // in one piece.
  void add(block::HostCluster cluster, const dedup::Fingerprint& expected);
  // Compares all clusters added since the last comparison.
  void compare();
  // Number of clusters whose data could be read and hashed, so far.
  std::uint64_t compared() const { return compared_; }

private:
  struct Waiting {
    block::HostCluster cluster;
    dedup::Fingerprint expected;
  };

  void read();
  void read_one_by_one(std::size_t begin, std::size_t end);
  std::span<std::byte> data_of(std::size_t index, std::size_t clusters = 1);

  qcow2::DataFile data_;
  block::ClusterSize cluster_size_;
  dedup::Hasher hasher_;
  Findings findings_;
  block::AlignedBuffer memory_;
  std::vector<Waiting> waiting_; // data_of(i) is the memory of element i
  std::vector<bool> readable_;   // of waiting_
  std::uint64_t compared_ = 0;
};

// Succeeds if this build can compute the fingerprints of the image's table, or if the image has
// none. Errors: unsupported with the hash algorithm, or the fault of the header extension.
block::Result<void> can_check_deep(const qcow2::Header& header);

} // namespace qcow2_dedup

#endif
