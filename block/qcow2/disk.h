// Disk: one virtual disk of an image with its requests: read, write, write zeroes, discard, status,
// resize.
//
// A request locks its guest clusters in Disk::requests (readers share, writers exclude). It looks
// up or changes the mapping under the image's metadata lock. It reads or writes data without that
// lock. Because its guest clusters are locked, no host cluster that they name can be freed or
// overwritten meanwhile.
#ifndef BLOCK_QCOW2_DISK_H
#define BLOCK_QCOW2_DISK_H

#include "block/qcow2/image.h"
#include "block/range-lock.h"

namespace qcow2 {

class Disk {
public:
  // The disk asks the node for its backing file at each request. Image, root and node must outlive
  // the disk. There must be no two disks of one root.
  Disk(Image& image, Root& root, const block::Node& node);

  // Reads the L1 table that the root's record names.
  Result<void> load();

  std::uint64_t guest_size() const { return guest_size_.load(std::memory_order_relaxed); } // bytes
  ClusterSize cluster_size() const { return image.cluster_size(); }
  block::Node* backing() const { return node_.backing(); } // null = none
  Mapping& mapping(Metadata& metadata) { return root.mapping(metadata); }

  // Sets COPIED for the allocator's single owners. They lack the flag, because the guest cluster
  // that owns them is not recorded. If there are any, a walk over the L2 tables finds their owners.
  // Call it before a clean close.
  Result<void> settle_copied_flags();

  // Grows the disk to `bytes` of guest data, at least the present size; new space reads as zeros.
  // Waits for all requests, and holds off new ones meanwhile. Errors: unsupported (smaller than
  // now), invalid_argument (the L1 table would be too large), no_space, corrupt (the image was
  // found to be corrupt), those of the file and of the backing file.
  Result<void> grow(std::uint64_t bytes);

  Image& image;
  Root& root;
  block::RangeLock requests; // by guest cluster number

private:
  // A larger L1 table that is not in the file yet.
  struct NewL1 {
    HostCluster place;
    std::uint64_t clusters = 0;
    std::uint64_t entries = 0;
  };

  // Sets the size to `bytes`, and makes the L1 table long enough for `reach`, which is at least
  // `bytes`.
  Result<void> set_size(std::uint64_t bytes, std::uint64_t reach);
  // The steps of set_size(): clusters for the L1 table, if the present table is too short; then the
  // table and the header that names it.
  Result<std::optional<NewL1>> allocate_l1_for(std::uint64_t bytes);
  Result<void> store_size(Metadata& metadata, std::uint64_t bytes, const std::optional<NewL1>& l1);
  Result<void> settle_copied_flags(Metadata& metadata, GuestCluster first, std::uint64_t clusters);

  const block::Node& node_;
  std::atomic<std::uint64_t> guest_size_{0};
};

// Guest clusters that a request touches.
struct ClusterRange {
  GuestCluster first;
  GuestCluster end; // one after the last

  static ClusterRange touched(ClusterSize size, GuestOffset offset, std::uint64_t bytes) {
    return {size.containing(offset), size.containing(offset + (bytes - 1)) + 1};
  }
  std::uint64_t count() const { return end - first; }
};

// All have the contract of the BlockDriver entries of that name: the range lies within the disk and
// is not empty.
Result<void> read(Disk& disk, GuestOffset offset, const IoVector& vector);
// Plain qcow2 write: overwrites in place the clusters that only this disk refers to, and allocates
// clusters for all others.
Result<void> write(Disk& disk, GuestOffset offset, const IoVector& vector);
// Whole clusters become zero entries; partial clusters are written. `unmap`: whole clusters lose
// their allocation.
Result<void> write_zeroes(Disk& disk, GuestOffset offset, std::uint64_t bytes, bool unmap);
// Whole clusters lose their allocation and read as zeros. Partial clusters stay unchanged.
Result<void> discard(Disk& disk, GuestOffset offset, std::uint64_t bytes);
// `count_owners`: also report how many references each cluster of the run has.
Result<block::BlockStatus> block_status(Disk& disk, GuestOffset offset, std::uint64_t bytes,
                                        bool count_owners);

// Parts of the above for a write path that decides more (deduplication). The caller must have
// locked the guest clusters.
Result<void> read_taken(Disk& disk, GuestOffset offset, const IoVector& vector);
// The write path of write(). The caller must have locked the guest clusters.
Result<void> write_taken(Disk& disk, GuestOffset offset, const IoVector& vector);
Result<void> write_zeroes_taken(Disk& disk, GuestOffset offset, std::uint64_t bytes, bool unmap);
// Stores the entry of a guest cluster and drops the reference of its former entry. After an error
// nothing has changed. Errors also: corrupt (the former entry names metadata, or a cluster with
// refcount 0).
Result<void> replace_entry(Metadata& metadata, Disk& disk, GuestCluster guest, L2Entry entry,
                           DropCause cause = DropCause::other);
// Makes whole clusters zero entries. The caller must have locked them.
Result<void> zero_clusters(Disk& disk, GuestCluster first, std::uint64_t clusters, bool unmap);
// Read-modify-write of one guest cluster: fills `whole_cluster` with the cluster's present content,
// overlaid with the part of the request that covers it.
Result<void> read_and_join(Disk& disk, GuestCluster cluster, GuestOffset offset,
                           const IoVector& vector, std::span<std::byte> whole_cluster);

} // namespace qcow2

#endif
