// References: the use of each host cluster and its number of references, as a walk over the image
// found them.
#ifndef BLOCK_QCOW2_CHECK_REFERENCES_H
#define BLOCK_QCOW2_CHECK_REFERENCES_H

#include "block/qcow2/check/cluster-counts.h"
#include "block/qcow2/check/findings.h"
#include "block/qcow2/header.h"

namespace qcow2 {

enum class ClusterUse { free, data, metadata };

// The walk fills it; the other parts of the check read it. One thread.
class References {
public:
  // `file_bytes`: length of the image file.
  References(const Header& header, std::uint64_t file_bytes);

  // Returns the number of references to the cluster, at most the largest refcount.
  std::uint64_t count(HostCluster cluster) const;
  // The same for [first, first + counts.size()).
  void copy_counts(HostCluster first, std::span<std::uint64_t> counts) const;
  // Returns metadata if any metadata lies in the cluster, otherwise data if any L2 entry names it.
  ClusterUse use(HostCluster cluster) const;

  // Claims the clusters of a range for metadata that the standard does not define, with one
  // reference each. Returns false, and counts nothing, if any part of the range lies outside the
  // file or is in use already: then the entry that names the range is wrong.
  bool claim(HostOffset offset, std::uint64_t bytes);

  // Counts `times` references to each cluster that the range touches. If the range lies outside the
  // file, it is a finding, and the references count as dangling. A counter that passes the largest
  // refcount is a finding, too.
  void add(HostOffset offset, std::uint64_t bytes, ClusterUse use, std::uint64_t times,
           CheckFindings& findings);
  // Takes back one reference of metadata that was counted with add().
  void remove_metadata(HostCluster cluster);

  // All references, also those that exceed the largest refcount.
  const ClusterCounts& counts() const { return counts_; }
  // Number of clusters with a reference, and of those with a data reference. A cluster that holds
  // both data and metadata counts as what was added first.
  std::uint64_t used_clusters() const { return used_clusters_; }
  std::uint64_t data_clusters() const { return data_clusters_; }
  // References to clusters beyond the file. Nothing may be stored in these clusters: it would
  // become the content of those entries.
  const ClusterCounts& dangling() const { return dangling_; }
  std::uint64_t file_bytes() const { return file_bytes_; }
  // Sets the length of the file. References that dangled and now lie in the file count like any
  // reference.
  void file_grows_to(std::uint64_t bytes);
  // Returns the first cluster after the last one that is in the file or referenced.
  HostCluster end() const;

  // Part of the mapping could not be read: any cluster may have references that are not counted.
  void set_incomplete() { complete_ = false; }
  bool complete() const { return complete_; }

private:
  ClusterSize cluster_size_;
  std::uint64_t max_count_; // of a refcount field
  std::uint64_t file_bytes_;
  bool complete_ = true;
  std::uint64_t used_clusters_ = 0;
  std::uint64_t data_clusters_ = 0;
  ClusterCounts counts_;
  ClusterCounts metadata_; // of counts_, references that are metadata
  ClusterCounts dangling_;
};

} // namespace qcow2

#endif
