// Encoding and decoding of the entries of a hash block.
#include "block/qcow2-dedup/table/block-layout.h"

#include "block/endian.h"
#include "block/util/zero.h"

#include <cassert>
#include <cstring>
#include <string>

namespace qcow2_dedup {
namespace {

constexpr std::size_t fingerprint_bytes = sizeof(dedup::Fingerprint::bytes);
static_assert(fingerprint_bytes + sizeof(std::uint64_t) == entry_bytes);

// Cluster aligned offsets leave the low bit free.
constexpr std::uint64_t owner_unknown = 1;

const std::byte* entry_at(ConstHashBlock hash_block, std::size_t slot) {
  assert(slot < entries_per_block);
  return hash_block.data() + slot * entry_bytes;
}

std::byte* entry_at(HashBlock hash_block, std::size_t slot) {
  assert(slot < entries_per_block);
  return hash_block.data() + slot * entry_bytes;
}

std::uint64_t load_owner(const std::byte* entry) {
  return block::load_big_endian<std::uint64_t>(entry + fingerprint_bytes);
}

} // namespace

Entry load_entry(ConstHashBlock hash_block, std::size_t slot) {
  const std::byte* from = entry_at(hash_block, slot);
  Entry entry;
  std::memcpy(entry.fingerprint.bytes.data(), from, fingerprint_bytes);
  const std::uint64_t owner = load_owner(from);
  if (!entry.empty() && (owner & owner_unknown) == 0) entry.first_owner = block::GuestOffset(owner);
  return entry;
}

void store_entry(HashBlock hash_block, std::size_t slot, const Entry& entry) {
  if (entry.empty()) return clear_entry(hash_block, slot);
  std::byte* to = entry_at(hash_block, slot);
  std::memcpy(to, entry.fingerprint.bytes.data(), fingerprint_bytes);
  block::store_big_endian<std::uint64_t>(
      to + fingerprint_bytes, entry.first_owner ? entry.first_owner->value() : owner_unknown);
}

void clear_entry(HashBlock hash_block, std::size_t slot) {
  std::memset(entry_at(hash_block, slot), 0, entry_bytes);
}

block::Result<void> check_entry(ConstHashBlock hash_block, std::uint64_t block_index,
                                std::size_t slot, block::ClusterSize cluster_size,
                                std::uint64_t virtual_size) {
  const auto damaged = [&](const std::string& how) {
    return block::Error(block::ErrorKind::corrupt,
                        "dedup table entry of host cluster " +
                            std::to_string(cluster_at(block_index, slot).value()) + ": " + how);
  };
  const Entry entry = load_entry(hash_block, slot);
  const std::uint64_t owner = load_owner(entry_at(hash_block, slot));
  if (entry.empty()) {
    if (owner != 0) return damaged("an owner but no hash");
    return {};
  }
  if (!entry.first_owner) return {};
  if (!cluster_size.aligned(*entry.first_owner))
    return damaged("first owner " + std::to_string(owner) + " is not cluster aligned");
  if (owner >= virtual_size)
    return damaged("first owner " + std::to_string(owner) + " is beyond the end of the disk");
  return {};
}

block::Result<void> check_block_end(ConstHashBlock hash_block) {
  if (block::buffer_is_zero(hash_block.subspan(entries_per_block * entry_bytes))) return {};
  return block::Error(block::ErrorKind::corrupt, "dedup hash block does not end in zero bytes");
}

} // namespace qcow2_dedup
