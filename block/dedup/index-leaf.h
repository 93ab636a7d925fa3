// One leaf of the tree index: a packed, sorted array of (short fingerprint, cluster) pairs.
#ifndef BLOCK_DEDUP_INDEX_LEAF_H
#define BLOCK_DEDUP_INDEX_LEAF_H

#include "block/dedup/index.h"

#include <cstddef>
#include <cstdint>
#include <memory>

namespace dedup {

// Returns the cost in bytes of a heap block of this size, with the allocator's header and rounding
// (glibc).
std::uint64_t heap_cost(std::size_t bytes);

// 48 bits of fingerprint and 48 bits of cluster number in three 32-bit words: 12 bytes, where two
// 64-bit words would take 16.
class LeafEntry {
public:
  LeafEntry(std::uint64_t prefix48, block::HostCluster cluster)
      : high_(static_cast<std::uint32_t>(prefix48 >> 16)),
        middle_(static_cast<std::uint32_t>(prefix48 << 16 | cluster.value() >> 32)),
        low_(static_cast<std::uint32_t>(cluster.value())) {}

  std::uint64_t prefix48() const { return std::uint64_t{high_} << 16 | middle_ >> 16; }
  block::HostCluster cluster() const {
    return block::HostCluster(std::uint64_t{middle_ & 0xFFFF} << 32 | low_);
  }

private:
  std::uint32_t high_, middle_, low_;
};
static_assert(sizeof(LeafEntry) == 12);

// Entries ascend by short fingerprint; equal ones are in the order of insertion. The array grows in
// small steps: at random load leaves are two thirds full on average, and the last third takes no
// memory.
class Leaf {
public:
  // Large leaves make the tree small, small leaves make insertion cheap.
  static constexpr std::size_t max_entries = 1024;

  std::size_t size() const { return size_; }
  bool full() const { return size_ == max_entries; }
  // Memory of the object and its array, in bytes.
  std::uint64_t memory_bytes() const { return heap_cost(sizeof *this) + array_cost(); }

  Candidates find(std::uint64_t prefix48) const;
  // Prefetches the entries near the position of this short fingerprint; does not wait.
  void prefetch(std::uint64_t prefix48) const;

  enum class Insertion { done, known, too_many };
  // The leaf must not be full().
  Insertion insert(std::uint64_t prefix48, block::HostCluster cluster);
  // Returns false if there is no such pair.
  bool remove(std::uint64_t prefix48, block::HostCluster cluster);
  // Removes the pair at position `at`, which is below size().
  void remove_at(std::size_t at);

  // Moves the entries of the lower half into a new leaf. Equal short fingerprints stay together. A
  // full leaf holds far more entries than Candidates::max_size, so neither half is empty.
  std::unique_ptr<Leaf> split_lower_half();
  // The greatest short fingerprint in the leaf, which must not be empty.
  std::uint64_t last_prefix48() const { return last_; }
  // Takes over the entries of `lower`. All of them must sort before those here, and they must fit.
  void prepend(const Leaf& lower);

private:
  struct Free {
    void operator()(LeafEntry* entries) const;
  };

  // Returns the position interpolated between both ends. Requires first_ < prefix48 <= last_.
  std::size_t proportional_place(std::uint64_t prefix48) const;
  // Returns the position of the first entry that is not less than prefix48, or size().
  std::size_t lower_bound(std::uint64_t prefix48) const;
  void set_capacity(std::size_t wanted);
  void note_ends();
  std::uint64_t array_cost() const;

  std::unique_ptr<LeafEntry[], Free> entries_; // from malloc, so that it can be resized in place
  std::uint32_t size_ = 0;
  std::uint32_t capacity_ = 0;
  // Short fingerprints of both ends, if not empty. They are here so that a search does not also
  // wait for the memory of the ends.
  std::uint64_t first_ = 0;
  std::uint64_t last_ = 0;
};

} // namespace dedup

#endif
