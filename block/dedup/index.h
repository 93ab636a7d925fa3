// The index: fingerprint -> host clusters that may hold that content.
//
// Every answer is a hint. The index keeps only the first 48 bits of a fingerprint, may have dropped
// an entry and may be rebuilt at any time; whoever uses a candidate first confirms it against the
// full fingerprint in the dedup table.
#ifndef BLOCK_DEDUP_INDEX_H
#define BLOCK_DEDUP_INDEX_H

#include "block/dedup/fingerprint.h"
#include "block/types.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace dedup {

// The clusters whose fingerprints share one short prefix: few, the longest known first.
class Candidates {
public:
  static constexpr std::size_t max_size = 8;

  const block::HostCluster* begin() const { return clusters_.data(); }
  const block::HostCluster* end() const { return clusters_.data() + size_; }
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  // At most max_size times.
  void push_back(block::HostCluster cluster) { clusters_[size_++] = cluster; }

private:
  std::array<block::HostCluster, max_size> clusters_{};
  std::size_t size_ = 0;
};

// Not synchronised: every call is made under the image's metadata lock. Callers keep hashing and
// I/O outside that lock.
class Index {
public:
  Index() = default;
  Index(const Index&) = delete;
  Index& operator=(const Index&) = delete;
  virtual ~Index() = default;

  // Remembers that `cluster` holds the content of this fingerprint. True if the index knows the
  // pair afterwards (a pair already known is not stored twice). False if it was dropped: because
  // Candidates::max_size other clusters share the short fingerprint, which bounds what content made
  // to collide can cost, or because the cluster's number is 2^48 or more, which no qcow2 file has.
  virtual bool insert(const Fingerprint& fingerprint, block::HostCluster cluster) = 0;
  // Forgets the pair. False if it was not known.
  virtual bool remove(const Fingerprint& fingerprint, block::HostCluster cluster) = 0;
  virtual Candidates find(const Fingerprint& fingerprint) const = 0;
  // found[i] becomes find(fingerprints[i]). `found` has at least as many elements. Faster
  // than one by one in a large index: the waits for memory overlap.
  virtual void find(std::span<const Fingerprint> fingerprints,
                    std::span<Candidates> found) const = 0;
  virtual void clear() = 0;

  // Pairs known now.
  virtual std::uint64_t entries() const = 0;
  // Heap memory in use now, in bytes, the allocator's own overhead included. Takes constant time.
  virtual std::uint64_t memory_bytes() const = 0;
};

// An index of sorted leaves of 12-byte entries, ordered by a GTree. It knows every cluster inserted
// until its memory reaches `max_bytes`; from then on each new pair takes the place of another one,
// chosen at random among its neighbours, and memory grows by one leaf of 12 KiB at most. As GLib
// does, it ends the program if memory runs out.
std::unique_ptr<Index> make_tree_index(std::uint64_t max_bytes = UINT64_MAX);

} // namespace dedup

#endif
