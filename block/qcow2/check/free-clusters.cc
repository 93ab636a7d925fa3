// Finding free clusters: by the extents of the file first, then by the counters alone.
#include "block/qcow2/check/free-clusters.h"

#include <algorithm>
#include <span>

namespace qcow2 {

FreeClusters::FreeClusters(HostFile& file, const Header& header, const References& references,
                           HostCluster lowest, HostCluster limit)
    : file_(file),
      references_(references),
      cluster_size_(header.cluster_size()),
      lowest_(lowest),
      limit_(limit),
      at_(lowest),
      extent_end_(lowest),
      row_first_(lowest),
      row_end_(lowest) {}

std::optional<HostCluster> FreeClusters::next() {
  for (;;) {
    for (; at_ < row_end_; ++at_) {
      if (row_[at_ - row_first_] != 0) continue;
      HostCluster free = at_;
      ++at_;
      return free;
    }
    if (!load_row()) return std::nullopt;
  }
}

bool FreeClusters::load_row() {
  if (stored_ && at_ >= extent_end_) find_stored_extent();
  HostCluster end = std::min(limit_, at_ + row_clusters);
  if (stored_) end = std::min(end, extent_end_);
  if (at_ >= end) return false;
  row_first_ = at_;
  row_end_ = end;
  references_.counts().copy(at_, std::span(row_).first(end - at_));
  references_.dangling().for_each(at_, end, [this](HostCluster cluster, std::uint64_t times) {
    row_[cluster - row_first_] += times;
  });
  return true;
}

// Finds the next clusters that are in the file as a whole, in one extent that is not a hole. If
// there are none, or if the file does not report its extents, the second round begins.
void FreeClusters::find_stored_extent() {
  const HostCluster end = std::min(limit_, cluster_size_.containing(file_.end()));
  while (at_ < end) {
    HostOffset start = cluster_size_.start(at_);
    auto status = file_.node().co_block_status(start.value(), cluster_size_.start(end) - start);
    if (!status || status->bytes == 0) break;
    HostOffset extent_end = start + status->bytes;
    extent_end_ = cluster_size_.containing(extent_end);
    if (!status->zero && extent_end_ > at_) return;
    at_ = HostCluster(cluster_size_.clusters_for(extent_end.value()));
  }
  stored_ = false;
  at_ = lowest_;
}

} // namespace qcow2
