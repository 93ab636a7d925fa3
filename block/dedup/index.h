// The index: fingerprint -> host clusters that may hold that content.
//
// Every result is a hint. The index keeps only the first 48 bits of a fingerprint, may have dropped
// an entry and may be rebuilt at any time. So the caller must confirm a candidate against the full
// fingerprint in the dedup table before it uses it.
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

// The clusters whose fingerprints share one short prefix: few, in the order of insertion.
class Candidates {
public:
  static constexpr std::size_t max_size = 8;

  const block::HostCluster* begin() const { return clusters_.data(); }
  const block::HostCluster* end() const { return clusters_.data() + size_; }
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  // May be called at most max_size times.
  void push_back(block::HostCluster cluster) { clusters_[size_++] = cluster; }

private:
  std::array<block::HostCluster, max_size> clusters_{};
  std::size_t size_ = 0;
};

// Not synchronised: every call is made under the image's metadata lock. Callers do hashing and I/O
// without that lock.
class Index {
public:
  Index() = default;
  Index(const Index&) = delete;
  Index& operator=(const Index&) = delete;
  virtual ~Index() = default;

  // Records that `cluster` holds the content of this fingerprint. Returns true if the index holds
  // the pair afterwards; a pair that it holds already is not stored twice. Returns false if the
  // pair was dropped, for one of two reasons. Candidates::max_size other clusters share the short
  // fingerprint; this bounds the cost of content made to collide. Or the cluster's number is 2^48
  // or more, which no qcow2 file has.
  virtual bool insert(const Fingerprint& fingerprint, block::HostCluster cluster) = 0;
  // Removes the pair. Returns false if the index did not hold it.
  virtual bool remove(const Fingerprint& fingerprint, block::HostCluster cluster) = 0;
  virtual Candidates find(const Fingerprint& fingerprint) const = 0;
  // Sets found[i] to find(fingerprints[i]). `found` must have at least as many elements. In a large
  // index this is faster than single calls, because the waits for memory overlap.
  virtual void find(std::span<const Fingerprint> fingerprints,
                    std::span<Candidates> found) const = 0;
  virtual void clear() = 0;

  // Number of pairs in the index.
  virtual std::uint64_t entries() const = 0;
  // Heap memory in use now, in bytes, the allocator's own overhead included. Takes constant time.
  virtual std::uint64_t memory_bytes() const = 0;
};

// Returns an index of sorted leaves of 12-byte entries, ordered by a GTree. It holds every inserted
// cluster until its memory reaches `max_bytes`. From then on each new pair replaces another one,
// chosen at random among its neighbours, and memory grows by one leaf of 12 KiB at most. The index
// ends the program if memory runs out, as GLib does.
std::unique_ptr<Index> make_tree_index(std::uint64_t max_bytes = UINT64_MAX);

} // namespace dedup

#endif
