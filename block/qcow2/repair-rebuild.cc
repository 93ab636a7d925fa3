// Planning, writing and switching to a new refcount structure.
#include "block/qcow2/repair-rebuild.h"

#include "block/qcow2/check-refcount-field.h"

#include <algorithm>
#include <cinttypes>
#include <iterator>

namespace qcow2 {
namespace {

constexpr std::uint64_t row_clusters = 4096; // counters handled at a time

struct Plan {
  std::vector<std::uint64_t> blocks; // indexes of the blocks that are needed, ascending
  HostCluster first;                 // the blocks follow each other from here, then the table
  std::uint64_t table_clusters = 0;

  HostCluster table() const { return first + blocks.size(); }
  std::uint64_t clusters() const { return blocks.size() + table_clusters; }
};

void add_block(std::vector<std::uint64_t>& blocks, std::uint64_t index) {
  auto place = std::lower_bound(blocks.begin(), blocks.end(), index);
  if (place == blocks.end() || *place != index) blocks.insert(place, index);
}

// The structure counts itself, so its size depends on its size; each round can only make it longer,
// and a block more covers at least 64 clusters, so it settles after a few rounds.
std::optional<Plan> make_plan(const Header& header, const References& references,
                              const ClusterCounts& higher, HostCluster first,
                              std::uint64_t clusters_per_block) {
  ClusterSize cluster_size = header.cluster_size();
  std::uint64_t max_blocks = max_refcount_table_bytes / table_entry_bytes;
  if (first.value() / clusters_per_block >= max_blocks) return std::nullopt;
  Plan plan;
  plan.first = first;
  auto need = [&](HostCluster cluster, std::uint64_t) {
    std::uint64_t index = cluster.value() / clusters_per_block;
    if (plan.blocks.empty() || plan.blocks.back() < index) plan.blocks.push_back(index);
  };
  for (const ClusterCounts* counts : {&references.counts(), &references.dangling(), &higher}) {
    std::vector<std::uint64_t> others;
    others.swap(plan.blocks);
    counts->for_each(HostCluster(0), first, need);
    std::vector<std::uint64_t> joined;
    std::set_union(plan.blocks.begin(), plan.blocks.end(), others.begin(), others.end(),
                   std::back_inserter(joined));
    plan.blocks.swap(joined);
  }
  for (std::uint64_t before = 0; plan.clusters() != before || before == 0;) {
    before = plan.clusters();
    std::uint64_t last =
        (first.value() + std::max<std::uint64_t>(before, 1) - 1) / clusters_per_block;
    if (last >= max_blocks) return std::nullopt;
    for (std::uint64_t index = first.value() / clusters_per_block; index <= last; ++index)
      add_block(plan.blocks, index);
    plan.table_clusters = cluster_size.clusters_for((plan.blocks.back() + 1) * table_entry_bytes);
  }
  if ((plan.table_clusters << header.cluster_bits) > max_refcount_table_bytes ||
      (plan.first + plan.clusters()).value() > max_host_offset >> header.cluster_bits)
    return std::nullopt;
  return plan;
}

// Moves the structure behind each cluster that a dangling entry names, until it meets none. Every
// round passes one such cluster.
std::optional<Plan> find_place(const Header& header, const References& references,
                               const ClusterCounts& higher, HostCluster first,
                               std::uint64_t clusters_per_block) {
  for (;;) {
    std::optional<Plan> plan = make_plan(header, references, higher, first, clusters_per_block);
    if (!plan) return std::nullopt;
    HostCluster free = first;
    references.dangling().for_each(first, first + plan->clusters(),
                                   [&](HostCluster cluster, std::uint64_t) { free = cluster + 1; });
    if (free == first) return plan;
    first = free;
  }
}

Result<void> write_blocks(HostFile& file, const Header& header, const References& references,
                          const ClusterCounts& higher, const Plan& plan,
                          std::uint64_t clusters_per_block) {
  ClusterSize cluster_size = header.cluster_size();
  std::vector<std::byte> block(cluster_size.bytes());
  std::vector<std::uint64_t> counted(std::min(row_clusters, clusters_per_block));
  std::vector<std::uint64_t> kept(counted.size());
  HostCluster place = plan.first;
  for (std::uint64_t index : plan.blocks) {
    std::fill(block.begin(), block.end(), std::byte{0});
    HostCluster first(index * clusters_per_block);
    for (std::uint64_t row = 0; row < clusters_per_block; row += counted.size()) {
      HostCluster row_end = first + row + counted.size();
      if (references.counts().untouched(first + row, row_end) &&
          higher.untouched(first + row, row_end))
        continue;
      references.copy_counts(first + row, counted);
      higher.copy(first + row, kept);
      for (std::size_t i = 0; i < counted.size(); ++i)
        store_refcount(block.data(), row + i, header.refcount_order, std::max(counted[i], kept[i]));
    }
    BLOCK_TRY(file.write(cluster_size.start(place), std::span<const std::byte>(block)));
    ++place;
  }
  return {};
}

Result<void> write_table(HostFile& file, const Header& header, const Plan& plan) {
  ClusterSize cluster_size = header.cluster_size();
  std::vector<std::byte> table(plan.table_clusters << header.cluster_bits);
  HostCluster place = plan.first;
  for (std::uint64_t index : plan.blocks) {
    block::store_big_endian(&table[index * table_entry_bytes], cluster_size.start(place).value());
    ++place;
  }
  return file.write(cluster_size.start(plan.table()), std::span<const std::byte>(table));
}

// The table's place and size are neighbours within one sector of the header.
Result<void> name_in_header(HostFile& file, Header& header, const Plan& plan) {
  header.refcount_table_offset = header.cluster_size().start(plan.table());
  header.refcount_table_clusters = static_cast<std::uint32_t>(plan.table_clusters);
  std::byte field[12];
  block::store_big_endian(field, header.refcount_table_offset.value());
  block::store_big_endian(field + 8, header.refcount_table_clusters);
  BLOCK_TRY(file.barrier());
  BLOCK_TRY(file.write(HostOffset(header_refcount_table_field), std::span<const std::byte>(field)));
  return file.barrier();
}

} // namespace

Result<bool> rebuild_refcounts(HostFile& file, Header& header, References& references,
                               StoredRefcounts& stored, CheckFindings& findings, bool keep) {
  findings.note("Rebuilding refcount structure");
  ClusterSize cluster_size = header.cluster_size();
  std::uint64_t clusters_per_block = stored.clusters_per_block();
  ClusterCounts higher;
  if (keep) BLOCK_TRY(stored.collect_higher(higher));
  HostCluster first = keep ? references.end() : std::max(stored.end(), references.counts().end());
  std::optional<Plan> plan = find_place(header, references, higher, first, clusters_per_block);
  if (!plan) {
    findings.note("ERROR no room for a new refcount structure");
    return false;
  }

  stored.release_structure([&](HostCluster cluster, std::uint64_t before, std::uint64_t after) {
    findings.note(format_line("Repairing cluster %" PRIu64 " refcount=%" PRIu64
                              " reference=%" PRIu64,
                              cluster.value(), before, after),
                  CheckFindings::About::lag);
    if (after == 0) higher.set(cluster, 0);
  });
  HostOffset end = cluster_size.start(plan->first + plan->clusters());
  references.file_grows_to(std::max(references.file_bytes(), end.value()));
  references.add(cluster_size.start(plan->first), plan->clusters() << header.cluster_bits,
                 ClusterUse::metadata, 1, findings);
  BLOCK_TRY(write_blocks(file, header, references, higher, *plan, clusters_per_block));
  BLOCK_TRY(write_table(file, header, *plan));
  BLOCK_TRY(name_in_header(file, header, *plan));

  findings.corruptions_repaired(stored.corruptions());
  if (!keep) findings.leaks_repaired(stored.leaks());
  stored.replaced(higher);
  return true;
}

} // namespace qcow2
