// References: what a walk over an image found each host cluster to be used for, and how often.
#ifndef BLOCK_QCOW2_CHECK_REFERENCES_H
#define BLOCK_QCOW2_CHECK_REFERENCES_H

#include "block/qcow2/check/cluster-counts.h"
#include "block/qcow2/check/findings.h"
#include "block/qcow2/header.h"

namespace qcow2 {

enum class ClusterUse { free, data, metadata };

// Filled by the walk, asked by whoever wants to know. One thread.
class References {
public:
  // `file_bytes`: length of the image file.
  References(const Header& header, std::uint64_t file_bytes);

  // How many references name the cluster, as far as its refcount can count.
  std::uint64_t count(HostCluster cluster) const;
  // The same for [first, first + counts.size()).
  void copy_counts(HostCluster first, std::span<std::uint64_t> counts) const;
  // Metadata if any metadata lies in it, else data if any L2 entry names it.
  ClusterUse use(HostCluster cluster) const;

  // Takes the clusters of a range for metadata that the standard does not know, with one reference
  // each. False, and nothing is counted, if any part of the range lies outside the file or is in
  // use already: then whoever names that range is wrong.
  bool claim(HostOffset offset, std::uint64_t bytes);

  // Counts `times` references to each cluster the range touches. A range outside the file, or a
  // counter that would pass the largest refcount, is a finding instead.
  void add(HostOffset offset, std::uint64_t bytes, ClusterUse use, std::uint64_t times,
           CheckFindings& findings);
  // Takes back one reference of metadata that was counted with add().
  void remove_metadata(HostCluster cluster);

  // All references, also those that a refcount has no room for.
  const ClusterCounts& counts() const { return counts_; }
  // Clusters with a reference, and of these those with one that is not metadata's. A cluster that
  // holds both counts as what was added first.
  std::uint64_t used_clusters() const { return used_clusters_; }
  std::uint64_t data_clusters() const { return data_clusters_; }
  // References to clusters beyond the file. Nothing may be put there: it would become what those
  // entries say.
  const ClusterCounts& dangling() const { return dangling_; }
  std::uint64_t file_bytes() const { return file_bytes_; }
  // What dangled and lies in the file now counts like any reference.
  void file_grows_to(std::uint64_t bytes);
  // One beyond the last cluster that is in the file or referenced.
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
