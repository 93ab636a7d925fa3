// Counts references to host clusters.
#include "block/qcow2/check/references.h"

#include <algorithm>
#include <cinttypes>

namespace qcow2 {

References::References(const Header& header, std::uint64_t file_bytes)
    : cluster_size_(header.cluster_size()),
      max_count_(~std::uint64_t{0} >> (64 - header.refcount_bits())),
      file_bytes_(file_bytes) {}

std::uint64_t References::count(HostCluster cluster) const {
  return std::min(counts_.get(cluster), max_count_);
}

void References::copy_counts(HostCluster first, std::span<std::uint64_t> counts) const {
  counts_.copy(first, counts);
  for (std::uint64_t& count : counts)
    count = std::min(count, max_count_);
}

ClusterUse References::use(HostCluster cluster) const {
  if (metadata_.get(cluster) != 0) return ClusterUse::metadata;
  return counts_.get(cluster) != 0 ? ClusterUse::data : ClusterUse::free;
}

bool References::claim(HostOffset offset, std::uint64_t bytes) {
  if (bytes == 0 || offset.value() > file_bytes_ || bytes > file_bytes_ - offset.value())
    return false;
  HostCluster first = cluster_size_.containing(offset);
  HostCluster last = cluster_size_.containing(offset + (bytes - 1));
  for (HostCluster cluster = first; cluster <= last; ++cluster)
    if (counts_.get(cluster) != 0) return false;
  for (HostCluster cluster = first; cluster <= last; ++cluster) {
    counts_.add(cluster);
    metadata_.add(cluster);
    ++used_clusters_;
  }
  return true;
}

void References::add(HostOffset offset, std::uint64_t bytes, ClusterUse use, std::uint64_t times,
                     CheckFindings& findings) {
  if (bytes == 0) return;
  HostCluster first = cluster_size_.containing(offset);
  HostCluster last = cluster_size_.containing(offset + (bytes - 1));
  // The last cluster of a file may be cut short, so a range may end less than a cluster beyond it.
  // The sums do not overflow: an offset of the format has at most 62 bits, and file lengths have
  // 63.
  if (offset.value() + bytes >= file_bytes_ + cluster_size_.bytes()) {
    findings.corruption(format_line("ERROR: counting reference for region exceeding the end of the "
                                    "file by one cluster or more: offset 0x%" PRIx64
                                    " size 0x%" PRIx64,
                                    offset.value(), bytes));
    for (HostCluster cluster = first; cluster <= last; ++cluster)
      dangling_.add(cluster, times);
    return;
  }
  for (HostCluster cluster = first; cluster <= last; ++cluster) {
    std::uint64_t before = counts_.get(cluster);
    counts_.add(cluster, times);
    if (before == 0) ++used_clusters_;
    if (before == 0 && use == ClusterUse::data) ++data_clusters_;
    if (before <= max_count_ && times > max_count_ - before)
      findings.corruption(format_line("ERROR: overflow cluster offset=0x%" PRIx64,
                                      cluster_size_.start(cluster).value()));
    if (use == ClusterUse::metadata) metadata_.add(cluster, times);
  }
}

void References::file_grows_to(std::uint64_t bytes) {
  HostCluster old_end(cluster_size_.clusters_for(file_bytes_));
  HostCluster new_end(cluster_size_.clusters_for(bytes));
  dangling_.for_each(old_end, new_end, [&](HostCluster cluster, std::uint64_t times) {
    counts_.add(cluster, times);
  });
  file_bytes_ = bytes;
}

void References::remove_metadata(HostCluster cluster) {
  counts_.set(cluster, counts_.get(cluster) - 1);
  if (counts_.get(cluster) == 0) --used_clusters_;
  metadata_.set(cluster, metadata_.get(cluster) - 1);
}

HostCluster References::end() const {
  return std::max(HostCluster(cluster_size_.clusters_for(file_bytes_)), counts_.end());
}

} // namespace qcow2
