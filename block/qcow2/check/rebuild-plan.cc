// Planning of a structure that counts itself.
#include "block/qcow2/check/rebuild-plan.h"

#include "block/qcow2/check/free-clusters.h"

#include <algorithm>
#include <set>

namespace qcow2 {
namespace {

// Indexes of the blocks that a structure needs, without those that it already has.
class BlockSet {
public:
  BlockSet(std::uint64_t clusters_per_block, const StoredRefcounts* completed)
      : clusters_per_block_(clusters_per_block), completed_(completed) {}

  void add(HostCluster cluster) {
    std::uint64_t index = cluster.value() / clusters_per_block_;
    if (index == last_added_ || (completed_ && completed_->has_block(index))) return;
    indexes_.insert(index);
    last_added_ = index;
  }
  // Adds the clusters that have a counter.
  void add(const ClusterCounts& counts, HostCluster first, HostCluster end) {
    counts.for_each(first, end, [this](HostCluster cluster, std::uint64_t) { add(cluster); });
  }
  std::uint64_t size() const { return indexes_.size(); }
  std::uint64_t table_bytes() const {
    return indexes_.empty() ? 0 : (*indexes_.rbegin() + 1) * table_entry_bytes;
  }
  const std::set<std::uint64_t>& indexes() const { return indexes_; }

private:
  std::uint64_t clusters_per_block_;
  const StoredRefcounts* completed_;
  std::set<std::uint64_t> indexes_;
  std::uint64_t last_added_ = ~std::uint64_t{0};
};

class Planner {
public:
  Planner(HostFile& file, const Header& header, const References& references,
          const ClusterCounts& higher, HostCluster lowest, const StoredRefcounts* completed)
      : file_(file),
        header_(header),
        references_(references),
        higher_(higher),
        lowest_(lowest),
        completed_(completed),
        clusters_per_block_(header.cluster_size().bytes() * 8 / header.refcount_bits()),
        limit_(std::min(max_host_offset >> header.cluster_bits,
                        clusters_per_block_ *
                            (completed ? completed->table_entries()
                                       : max_refcount_table_bytes / table_entry_bytes))) {}

  std::optional<RebuildPlan> plan();

private:
  FreeClusters free_clusters() const { return {file_, header_, references_, lowest_, limit_}; }
  bool place_table(RebuildPlan& plan);
  bool place_blocks(RebuildPlan& plan, BlockSet& blocks);

  HostFile& file_;
  const Header& header_;
  const References& references_;
  const ClusterCounts& higher_;
  HostCluster lowest_;
  const StoredRefcounts* completed_;
  std::uint64_t clusters_per_block_;
  HostCluster limit_; // clusters from here on cannot have a refcount
};

// The size of the table depends on the clusters that the structure takes. It can only grow from
// round to round, and it has a limit.
std::optional<RebuildPlan> Planner::plan() {
  if (std::max(references_.counts().end(), higher_.end()) > limit_) return std::nullopt;
  BlockSet needed(clusters_per_block_, completed_);
  needed.add(references_.counts(), HostCluster(0), references_.counts().end());
  needed.add(higher_, HostCluster(0), higher_.end());
  RebuildPlan plan;
  if (completed_) return place_blocks(plan, needed) ? std::optional(plan) : std::nullopt;
  for (std::uint64_t bytes = needed.table_bytes();;) {
    BlockSet blocks = needed;
    plan = {};
    plan.table_clusters = std::max<std::uint64_t>(1, header_.cluster_size().clusters_for(bytes));
    if (!place_table(plan) || !place_blocks(plan, blocks)) return std::nullopt;
    bytes = blocks.table_bytes();
    if (header_.cluster_size().clusters_for(bytes) <= plan.table_clusters) return plan;
  }
}

bool Planner::place_table(RebuildPlan& plan) {
  FreeClusters free = free_clusters();
  std::uint64_t run = 0;
  while (run < plan.table_clusters) {
    std::optional<HostCluster> cluster = free.next();
    if (!cluster) return false;
    if (run == 0 || *cluster != plan.table + run) {
      plan.table = *cluster;
      run = 0;
    }
    ++run;
  }
  if (!free.stored())
    for (std::uint64_t i = 0; i < run; ++i)
      plan.unstored.push_back(plan.table + i);
  return true;
}

// Each placed block may require one more block for its own refcount. Each of these counts at least
// 64 clusters, so the number settles.
bool Planner::place_blocks(RebuildPlan& plan, BlockSet& blocks) {
  ClusterCounts taken;
  for (std::uint64_t i = 0; i < plan.table_clusters; ++i) {
    taken.set(plan.table + i, 1);
    blocks.add(plan.table + i);
  }
  std::vector<HostCluster> places;
  FreeClusters free = free_clusters();
  // Dangling references become counted ones when the file grows over their clusters.
  HostCluster file_end(header_.cluster_size().clusters_for(references_.file_bytes()));
  for (;;) {
    while (places.size() < blocks.size()) {
      std::optional<HostCluster> cluster = free.next();
      if (!cluster) return false;
      if (taken.get(*cluster) != 0) continue;
      taken.set(*cluster, 1);
      places.push_back(*cluster);
      blocks.add(*cluster);
      if (!free.stored()) plan.unstored.push_back(*cluster);
    }
    if (taken.end() <= file_end) break;
    blocks.add(references_.dangling(), file_end, taken.end());
    file_end = taken.end();
  }
  for (std::uint64_t index : blocks.indexes())
    plan.blocks.push_back({index, places[plan.blocks.size()]});
  return true;
}

} // namespace

HostCluster RebuildPlan::end() const {
  HostCluster end(0);
  for_each_cluster([&end](HostCluster cluster) { end = std::max(end, cluster + 1); });
  return end;
}

std::optional<RebuildPlan> plan_rebuild(HostFile& file, const Header& header,
                                        const References& references, const ClusterCounts& higher,
                                        HostCluster lowest, const StoredRefcounts* completed) {
  return Planner(file, header, references, higher, lowest, completed).plan();
}

} // namespace qcow2
