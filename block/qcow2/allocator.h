// Allocator: which host clusters are in use, who may have a free one, and when a freed one may be
// used again.
//
// A reference that goes away is only noted here. The stored refcount is lowered after a write-back
// has made the L2 update durable that dropped the reference, so that
//   - the stored refcount is never less than the references in the file, whenever power fails, and
//   - a cluster is not reused while an L2 entry on disk still names it.
#ifndef BLOCK_QCOW2_ALLOCATOR_H
#define BLOCK_QCOW2_ALLOCATOR_H

#include "block/qcow2/cluster-set.h"
#include "block/qcow2/freed-space.h"
#include "block/qcow2/refcounts.h"

#include <algorithm>
#include <functional>
#include <unordered_map>

namespace qcow2 {

// Why a cluster lost a reference: the guest asked for it by a discard or by writing zeros, or
// anything else.
enum class DropCause { request, other };

// For which causes the space of clusters that became free is given back to the file system.
struct ReturnedSpace {
  bool of_requests = false;
  bool of_others = false;
};

// Not synchronised: the image's metadata lock guards it.
class Allocator {
public:
  // `store_table` stores the header that names a grown table, which is in the file already, and
  // marks the image dirty in the same sector: (offset, clusters).
  using StoreTable = std::function<Result<void>(HostOffset, std::uint32_t)>;
  Allocator(HostFile& file, Refcounts& refcounts, ClusterSize cluster_size, StoreTable store_table,
            ReturnedSpace returned = {});

  // That many neighbouring clusters with one reference each, at the lowest place where they are
  // free. Their content is whatever the file holds there. Errors: no_space (beyond what qcow2 can
  // address), those of metadata I/O.
  Result<HostCluster> allocate(std::uint64_t clusters);
  // The same for metadata: no data is ever written there until the clusters are free again.
  Result<HostCluster> allocate_metadata(std::uint64_t clusters);
  // Where metadata lies. Whoever opens an image enters what is there. Nothing is allocated there,
  // whatever the refcounts say: error corrupt.
  ClusterSet& metadata() { return metadata_; }
  // Called with (first, clusters) for everything that is allocated, metadata included, before
  // anything is written there. Set it before the first allocation.
  using OnAllocated = std::function<void(HostCluster, std::uint64_t)>;
  void set_on_allocated(OnAllocated on_allocated) { on_allocated_ = std::move(on_allocated); }
  // Clusters below that one may have owners that were not counted, because a part of the mapping
  // could not be read. From now on each of them has one reference more than its refcount says, so
  // it is neither freed nor written in place; new clusters come from `end` on. Before the first
  // request.
  void keep_all_below(HostCluster end);
  bool may_have_unknown_owners(HostCluster cluster) const { return cluster < kept_end_; }
  // Error: corrupt, if the cluster holds metadata, so that an L2 entry must not name it.
  Result<void> check_data_place(HostCluster cluster) const;
  using Run = HostRun;
  // At least one and at most `clusters` neighbouring clusters: takes a hole only if it holds a good
  // part of the wish.
  Result<Run> allocate_up_to(std::uint64_t clusters);
  // Returns clusters that were allocated and never linked; they are free at once.
  Result<void> release_unused(HostCluster first, std::uint64_t clusters);

  // References that exist now: the stored refcount less those that went away.
  Result<std::uint64_t> references(HostCluster cluster);
  // The caller has checked with can_add_reference().
  Result<void> add_reference(HostCluster cluster);
  // Whether the stored refcount stays at or below `limit` with one more reference.
  Result<bool> can_add_reference(HostCluster cluster, std::uint64_t limit);
  // Notes that one reference went away; returns how many are left.
  Result<std::uint64_t> drop_reference(HostCluster cluster);
  // The same, for a caller that has just asked references() and got one more than `left`.
  void note_dropped(HostCluster cluster, std::uint64_t left, DropCause cause);
  // Data clusters that were shared and have one reference left. COPIED was cleared when they were
  // shared, and no L2 entry carries it. The code that sets it removes the cluster here.
  ClusterSet& single_owners() { return single_owners_; }
  Result<void> drop_references(HostCluster first, std::uint64_t clusters);

  // For the write-back: takes the noted references out; end_drop() lowers their refcounts if the L2
  // updates that dropped them are durable, or else notes them again; so it does with those whose
  // refcount cannot be changed, and returns the first such error.
  void begin_drop();
  Result<void> end_drop(bool durable);
  bool has_dropped() const { return !dropped_.empty(); }
  // True when so many references wait for a write-back that the next request should begin one: no
  // cluster that becomes free is used again before, so the file grows meanwhile.
  bool wants_write_back() const {
    return dropped_.size() >= std::max(min_dropped, max_dropped_bytes >> cluster_size_.bits());
  }

  // Lets what overwriting freed until now be punched, too. It is likely to be used again soon, and
  // the file system takes longer to fill a hole than to overwrite.
  void settle_freed_space() { freed_space_.absorb(lately_freed_); }
  // Free clusters to be punched: holds some of them, which nobody is given until release_punched().
  std::vector<HostRun> hold_for_punching(std::size_t most_runs) {
    return freed_space_.hold_some(most_runs);
  }
  void release_punched();

private:
  // References of one cluster that went away.
  struct Dropped {
    std::uint64_t count = 0;
    bool returns_space = false;
    bool by_request = false;

    void add(const Dropped& more) {
      count += more.count;
      returns_space |= more.returns_space;
      by_request |= more.by_request;
    }
  };
  using DroppedReferences = std::unordered_map<HostCluster, Dropped>;

  static constexpr std::uint64_t min_dropped = 64;
  static constexpr std::uint64_t max_dropped_bytes = 64u << 20;

  // The first place at or after `from` that is free, not held, and holds no known metadata.
  Result<HostCluster> find_free(HostCluster from, std::uint64_t clusters);
  // The error for refcounts that call metadata free: their other counts may be wrong, too.
  Result<void> refuse_metadata(HostCluster first, std::uint64_t clusters) const;
  Result<void> reserve(HostCluster first, std::uint64_t clusters);
  // false: the refcount table had to move; search for free clusters again.
  Result<bool> ensure_blocks(HostCluster first, std::uint64_t clusters);
  std::vector<HostCluster> uncounted(HostCluster first, std::uint64_t clusters) const;
  Result<void> grow_table(std::uint64_t min_clusters);
  Result<void> store_grown_table(HostCluster first_block, std::uint64_t blocks);
  void note_free(HostCluster cluster);
  Result<void> lower(HostCluster cluster, const Dropped& dropped);
  std::uint64_t noted(HostCluster cluster) const;

  HostFile& file_;
  Refcounts& refcounts_;
  ClusterSize cluster_size_;
  StoreTable store_table_;
  const ReturnedSpace returned_;
  OnAllocated on_allocated_;
  // No cluster below is free. Two, so that a wish for many clusters, which skips small holes, does
  // not make later wishes for one cluster skip them too, nor search them again itself.
  HostCluster single_cursor_;
  HostCluster multi_cursor_;
  ClusterSet metadata_;
  ClusterSet single_owners_;
  HostCluster kept_end_; // see keep_all_below()
  FreedSpace freed_space_;
  FreedSpace lately_freed_; // not by request, since settle_freed_space()
  DroppedReferences dropped_;
  DroppedReferences being_dropped_; // taken out by begin_drop(), not applied yet
};

} // namespace qcow2

#endif
