// The bytes of a hash block: the position of a cluster's entry, and the encoding of entries.
//
// Pure functions over buffers; docs/formats/qcow2-dedup.md is the specification.
#ifndef BLOCK_QCOW2_DEDUP_TABLE_BLOCK_LAYOUT_H
#define BLOCK_QCOW2_DEDUP_TABLE_BLOCK_LAYOUT_H

#include "block/dedup/fingerprint.h"
#include "block/result.h"
#include "block/types.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace qcow2_dedup {

inline constexpr std::size_t hash_block_bytes = 65536; // for every cluster size
inline constexpr std::size_t entry_bytes = 40;
inline constexpr std::size_t entries_per_block = hash_block_bytes / entry_bytes;

using HashBlock = std::span<std::byte, hash_block_bytes>;
using ConstHashBlock = std::span<const std::byte, hash_block_bytes>;

// Index into the table's L1 of the hash block with this cluster's entry.
constexpr std::uint64_t block_index_of(block::HostCluster cluster) {
  return cluster.value() / entries_per_block;
}
// Number of this cluster's entry in that block, below entries_per_block.
constexpr std::size_t slot_of(block::HostCluster cluster) {
  return static_cast<std::size_t>(cluster.value() % entries_per_block);
}
constexpr block::HostCluster cluster_at(std::uint64_t block_index, std::size_t slot) {
  return block::HostCluster(block_index * entries_per_block + slot);
}

// The entry of one host cluster.
struct Entry {
  dedup::Fingerprint fingerprint; // all zero: no fingerprint
  // Guest offset of the cluster's first owner; nothing if it is not known (any more).
  std::optional<block::GuestOffset> first_owner;

  bool operator==(const Entry&) const = default;
  bool empty() const { return fingerprint.is_zero(); }
};

// Returns the entry in a slot (below entries_per_block), valid or not: check_entry() validates it.
Entry load_entry(ConstHashBlock hash_block, std::size_t slot);
// An empty entry is stored as zeros.
void store_entry(HashBlock hash_block, std::size_t slot, const Entry& entry);
void clear_entry(HashBlock hash_block, std::size_t slot);

// Error: corrupt, if the entry's bytes violate the format: no fingerprint but an owner, or an owner
// that is not cluster aligned or not below virtual_size (bytes). The message names the cluster.
// Such an entry is treated as empty; nothing depends on it.
block::Result<void> check_entry(ConstHashBlock hash_block, std::uint64_t block_index,
                                std::size_t slot, block::ClusterSize cluster_size,
                                std::uint64_t virtual_size);

// Error: corrupt, if the bytes after the last entry are not zero: then this is no hash block.
block::Result<void> check_block_end(ConstHashBlock hash_block);

} // namespace qcow2_dedup

#endif
