// Allocator: counts the references to host clusters, hands out free clusters, and decides when a
// freed cluster may be used again.
//
// When a reference is dropped, the allocator only notes it. It lowers the stored refcount after a
// write-back has made the L2 update durable that dropped the reference. Hence
//   - the stored refcount is never lower than the references in the file, whenever power fails, and
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

// Why a cluster lost a reference. request: the guest discarded it or wrote zeros. other: any other
// cause.
enum class DropCause { request, other };

// The causes for which the space of freed clusters is returned to the file system.
struct ReturnedSpace {
  bool of_requests = false;
  bool of_others = false;
};

// Not synchronised: the image's metadata lock guards it.
class Allocator {
public:
  // `store_table` stores the header with offset and size of a grown refcount table: (offset,
  // clusters). The table is in the file already. The same sector of the header marks the image
  // dirty.
  using StoreTable = std::function<Result<void>(HostOffset, std::uint32_t)>;
  Allocator(HostFile& file, Refcounts& refcounts, ClusterSize cluster_size, StoreTable store_table,
            ReturnedSpace returned = {});

  // Allocates `clusters` neighbouring clusters with one reference each, at the lowest host offset
  // where they are free. Their content is undefined. Errors: no_space (beyond the range that qcow2
  // can address), those of metadata I/O, corrupt (the refcounts count metadata as free).
  Result<HostCluster> allocate(std::uint64_t clusters);
  // The same for metadata: no data is written to these clusters until they are free again.
  Result<HostCluster> allocate_metadata(std::uint64_t clusters);
  // The clusters that hold metadata. The code that opens an image enters them. The allocator never
  // allocates them, even if their refcount is 0: error corrupt.
  ClusterSet& metadata() { return metadata_; }
  // Called with (first, clusters) for every allocation, metadata included, before anything is
  // written to the clusters. Set it before the first allocation.
  using OnAllocated = std::function<void(HostCluster, std::uint64_t)>;
  void set_on_allocated(OnAllocated on_allocated) { on_allocated_ = std::move(on_allocated); }
  // Clusters below `end` may have owners that were not counted, because a part of the mapping could
  // not be read. From now on each of them counts one reference more than its refcount, so it is
  // neither freed nor overwritten in place. New clusters come from `end` on. Call it before the
  // first request.
  void keep_all_below(HostCluster end);
  bool may_have_unknown_owners(HostCluster cluster) const { return cluster < kept_end_; }
  // Error: corrupt, if the cluster holds metadata, so that no L2 entry may name it.
  Result<void> check_data_place(HostCluster cluster) const;
  using Run = HostRun;
  // Allocates at least one and at most `clusters` neighbouring clusters. Uses a hole only if it
  // holds all of them, or at least 16. Errors as for allocate().
  Result<Run> allocate_up_to(std::uint64_t clusters);
  // Frees at once clusters that were allocated and never linked.
  Result<void> release_unused(HostCluster first, std::uint64_t clusters);

  // Returns the present number of references: the stored refcount less the dropped references.
  Result<std::uint64_t> references(HostCluster cluster);
  // Adds a reference. The caller must have checked can_add_reference().
  Result<void> add_reference(HostCluster cluster);
  // Returns whether the stored refcount stays at or below `limit` with one more reference.
  Result<bool> can_add_reference(HostCluster cluster, std::uint64_t limit);
  // Notes that one reference was dropped. Returns the number of references left. Error: corrupt, if
  // there was none.
  Result<std::uint64_t> drop_reference(HostCluster cluster);
  // The same, for a caller that has just called references() and received `left` + 1.
  void note_dropped(HostCluster cluster, std::uint64_t left, DropCause cause);
  // Data clusters that were shared and have one reference left. COPIED was cleared when they became
  // shared, so no L2 entry carries it. The code that sets COPIED removes the cluster from this set.
  ClusterSet& single_owners() { return single_owners_; }
  Result<void> drop_references(HostCluster first, std::uint64_t clusters);

  // For the write-back. begin_drop() takes the noted references out. end_drop() lowers their
  // refcounts if `durable`, that is, if the L2 updates that dropped them are durable. Otherwise it
  // notes them again. It also notes those again whose refcount cannot be changed, and returns the
  // first such error.
  void begin_drop();
  Result<void> end_drop(bool durable);
  bool has_dropped() const { return !dropped_.empty(); }
  // True if so many dropped references wait for a write-back that the next request should start
  // one. A freed cluster is not reused before the write-back, so the file grows meanwhile.
  bool wants_write_back() const {
    return dropped_.size() >= std::max(min_dropped, max_dropped_bytes >> cluster_size_.bits());
  }

  // Space freed by overwriting is kept at first, because it is likely to be reused soon, and the
  // file system takes longer to fill a hole than to overwrite. The second call after a cluster was
  // freed allows it to be punched, unless it was allocated in between.
  void age_freed_space() {
    freed_space_.absorb(aging_);
    aging_.absorb(lately_freed_);
  }
  // Allows all space freed until now to be punched.
  void settle_freed_space() {
    age_freed_space();
    age_freed_space();
  }
  // Returns free clusters to be punched and holds them: they are not allocated until
  // release_punched().
  std::vector<HostRun> hold_for_punching(std::size_t most_runs) {
    return freed_space_.hold_some(most_runs);
  }
  void release_punched();

private:
  // Dropped references of one cluster.
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

  // Returns the first run of free clusters at or after `from` that is not held. Error: corrupt, if
  // it holds known metadata.
  Result<HostCluster> find_free(HostCluster from, std::uint64_t clusters);
  // Returns the error corrupt if any of the clusters holds metadata: then the refcounts count
  // metadata as free, and their other counts may be wrong, too.
  Result<void> refuse_metadata(HostCluster first, std::uint64_t clusters) const;
  Result<void> reserve(HostCluster first, std::uint64_t clusters);
  // Returns false if the refcount table was moved; the caller then searches for free clusters
  // again.
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
  // No cluster below the cursor is free. There are two cursors. A request for many clusters skips
  // small holes, which later requests for one cluster must not skip; nor must it search them again
  // itself.
  HostCluster single_cursor_;
  HostCluster multi_cursor_;
  ClusterSet metadata_;
  ClusterSet single_owners_;
  HostCluster kept_end_;    // see keep_all_below()
  FreedSpace freed_space_;  // may be punched
  FreedSpace lately_freed_; // freed by other causes than a request, since age_freed_space()
  FreedSpace aging_;        // the same, before the last age_freed_space()
  DroppedReferences dropped_;
  DroppedReferences being_dropped_; // taken out by begin_drop(), not applied yet
};

} // namespace qcow2

#endif
