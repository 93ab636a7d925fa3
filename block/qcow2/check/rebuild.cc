// Writes a new refcount structure and switches to it.
#include "block/qcow2/check/rebuild.h"

#include "block/qcow2/check/rebuild-plan.h"
#include "block/qcow2/check/refcount-field.h"

#include <algorithm>
#include <cinttypes>

namespace qcow2 {
namespace {

constexpr std::uint64_t row_clusters = 4096; // counters processed at a time

// Allocates space on the host where it may have none, before anything else changes. If the host has
// no space, the file gets its former length back.
Result<void> take_space(HostFile& file, const Header& header, const RebuildPlan& plan,
                        std::uint64_t file_bytes) {
  const std::vector<std::byte> zeros(header.cluster_size().bytes());
  for (HostCluster cluster : plan.unstored) {
    Result<void> done =
        file.write(header.cluster_size().start(cluster), std::span<const std::byte>(zeros));
    if (done) continue;
    // The write error is reported, not an error of the cut: a file that stays longer does no harm.
    if (Result<std::uint64_t> length = file.node().co_get_length(); length && *length > file_bytes)
      (void)file.cut(HostOffset(file_bytes));
    return std::move(done)
        .error()
        .context("no place for a new refcount structure of " + std::to_string(plan.clusters()) +
                 " clusters")
        .with_hint("The image needs more space on its host. It can be opened read-only.");
  }
  return {};
}

Result<void> write_blocks(HostFile& file, const Header& header, const References& references,
                          const ClusterCounts& higher, const RebuildPlan& plan,
                          std::uint64_t clusters_per_block) {
  ClusterSize cluster_size = header.cluster_size();
  std::vector<std::byte> refcount_block(cluster_size.bytes());
  std::vector<std::uint64_t> counted(std::min(row_clusters, clusters_per_block));
  std::vector<std::uint64_t> kept(counted.size());
  for (const auto& [index, place] : plan.blocks) {
    std::fill(refcount_block.begin(), refcount_block.end(), std::byte{0});
    HostCluster first(index * clusters_per_block);
    for (std::uint64_t row = 0; row < clusters_per_block; row += counted.size()) {
      HostCluster row_end = first + row + counted.size();
      if (references.counts().untouched(first + row, row_end) &&
          higher.untouched(first + row, row_end))
        continue;
      references.copy_counts(first + row, counted);
      higher.copy(first + row, kept);
      for (std::size_t i = 0; i < counted.size(); ++i)
        store_refcount(refcount_block.data(), row + i, header.refcount_order,
                       std::max(counted[i], kept[i]));
    }
    BLOCK_TRY(file.write(cluster_size.start(place), std::span<const std::byte>(refcount_block)));
  }
  return {};
}

Result<void> write_table(HostFile& file, const Header& header, const RebuildPlan& plan) {
  ClusterSize cluster_size = header.cluster_size();
  std::vector<std::byte> table(plan.table_clusters << header.cluster_bits);
  for (const auto& [index, place] : plan.blocks)
    block::store_big_endian(&table[index * table_entry_bytes], cluster_size.start(place).value());
  return file.write(cluster_size.start(plan.table), std::span<const std::byte>(table));
}

// The table's offset and size are neighbouring fields within one sector of the header.
Result<void> name_in_header(HostFile& file, Header& header, const RebuildPlan& plan) {
  header.refcount_table_offset = header.cluster_size().start(plan.table);
  header.refcount_table_clusters = static_cast<std::uint32_t>(plan.table_clusters);
  std::byte field[12];
  block::store_big_endian(field, header.refcount_table_offset.value());
  block::store_big_endian(field + 8, header.refcount_table_clusters);
  BLOCK_TRY(file.barrier());
  BLOCK_TRY(file.write(HostOffset(header_refcount_table_field), std::span<const std::byte>(field)));
  return file.barrier();
}

// Finds clusters for the structure at the least risk. It uses clusters inside the file only if
// there is no space after it: where an entry is damaged, its data may be in a cluster that seems
// free, and may still be wanted.
class PlaceFinder {
public:
  PlaceFinder(HostFile& file, const Header& header, References& references, StoredRefcounts& stored,
              const ClusterCounts& higher, bool keep)
      : file_(file),
        header_(header),
        references_(references),
        stored_(stored),
        higher_(higher),
        keep_(keep) {}

  // A plan whose clusters have space on the host; nothing if the format has no room.
  using Found = Result<std::optional<RebuildPlan>>;
  Found find(CheckClient* client, CheckFindings& findings);

private:
  Found try_from(HostCluster lowest, const StoredRefcounts* completed);
  Found find_inside();
  static bool no_room(const Found& found) {
    return found ? !found->has_value() : found.error().kind() == block::ErrorKind::no_space;
  }

  HostFile& file_;
  const Header& header_;
  References& references_;
  StoredRefcounts& stored_;
  const ClusterCounts& higher_;
  bool keep_;
};

PlaceFinder::Found PlaceFinder::try_from(HostCluster lowest, const StoredRefcounts* completed) {
  std::optional<RebuildPlan> plan =
      plan_rebuild(file_, header_, references_, higher_, lowest, completed);
  if (plan) BLOCK_TRY(take_space(file_, header_, *plan, references_.file_bytes()));
  return plan;
}

// First tries to add only the missing blocks: a writer that filled the file left room for the
// blocks that it had in memory, and not for a whole structure.
PlaceFinder::Found PlaceFinder::find_inside() {
  Found found = std::optional<RebuildPlan>();
  if (stored_.sound()) found = try_from(HostCluster(0), &stored_);
  return no_room(found) ? try_from(HostCluster(0), nullptr) : std::move(found);
}

PlaceFinder::Found PlaceFinder::find(CheckClient* client, CheckFindings& findings) {
  Found found = try_from(
      keep_ ? references_.end() : std::max(stored_.end(), references_.counts().end()), nullptr);
  if (keep_ || !no_room(found)) return found;
  found = find_inside();
  if (!no_room(found) || !client) return found;
  BLOCK_TRY_ASSIGN(bool freed, client->give_up_metadata(references_, findings));
  return freed ? find_inside() : std::move(found);
}

void count_structure(References& references, const Header& header, const RebuildPlan& plan,
                     CheckFindings& findings) {
  ClusterSize cluster_size = header.cluster_size();
  references.file_grows_to(
      std::max(references.file_bytes(), cluster_size.start(plan.end()).value()));
  plan.for_each_cluster([&](HostCluster cluster) {
    references.add(cluster_size.start(cluster), cluster_size.bytes(), ClusterUse::metadata, 1,
                   findings);
  });
}

Result<void> complete(HostFile& file, const Header& header, References& references,
                      StoredRefcounts& stored, CheckFindings& findings, const RebuildPlan& plan) {
  // Before the new blocks are counted: if their clusters were leaks, this frees them first.
  BLOCK_TRY(stored.repair_in_place(true, true));
  count_structure(references, header, plan, findings);
  BLOCK_TRY(write_blocks(file, header, references, {}, plan, stored.clusters_per_block()));
  return stored.add_blocks(plan.blocks);
}

} // namespace

Result<bool> rebuild_refcounts(HostFile& file, Header& header, References& references,
                               StoredRefcounts& stored, CheckClient* client,
                               CheckFindings& findings, bool keep) {
  findings.note("Rebuilding refcount structure");
  // The update that freed a cluster must be durable before the cluster is overwritten.
  BLOCK_TRY(file.barrier());
  ClusterCounts higher;
  if (keep) BLOCK_TRY(stored.collect_higher(higher));
  PlaceFinder finder(file, header, references, stored, higher, keep);
  BLOCK_TRY_ASSIGN(std::optional<RebuildPlan> plan, finder.find(client, findings));
  if (!plan) {
    findings.note("ERROR no room for a new refcount structure");
    return false;
  }
  if (plan->table_clusters == 0) {
    BLOCK_TRY(complete(file, header, references, stored, findings, *plan));
    return true;
  }

  stored.release_structure([&](HostCluster cluster, std::uint64_t before, std::uint64_t after) {
    findings.note(format_line("Repairing cluster %" PRIu64 " refcount=%" PRIu64
                              " reference=%" PRIu64,
                              cluster.value(), before, after),
                  CheckFindings::About::lag);
    if (after == 0) higher.set(cluster, 0);
  });
  count_structure(references, header, *plan, findings);
  BLOCK_TRY(write_blocks(file, header, references, higher, *plan, stored.clusters_per_block()));
  BLOCK_TRY(write_table(file, header, *plan));
  BLOCK_TRY(name_in_header(file, header, *plan));

  findings.corruptions_repaired(stored.corruptions());
  if (!keep) findings.leaks_repaired(stored.leaks());
  stored.replaced(higher);
  return true;
}

} // namespace qcow2
