// qcow2 version 3 on disk: magic numbers, feature bits, and the fields of table entries.
// Source: the public specification "qcow2 image file format" (docs/interop/qcow2.txt of QEMU),
// section by section.
#ifndef BLOCK_QCOW2_FORMAT_H
#define BLOCK_QCOW2_FORMAT_H

#include "block/types.h"

#include <cstdint>
#include <optional>

namespace qcow2 {

using block::ClusterSize;
using block::GuestCluster;
using block::GuestOffset;
using block::HostCluster;
using block::HostOffset;

// --- Section "Header" ---
inline constexpr std::uint32_t magic = 0x514649fb; // "QFI\xfb"
inline constexpr std::uint32_t version_3 = 3;
inline constexpr std::uint32_t header_length_v3 = 112; // bytes, with compression type and padding
inline constexpr std::uint32_t min_header_length = 104;
inline constexpr unsigned min_cluster_bits = 9;         // 512 bytes
inline constexpr unsigned max_cluster_bits = 21;        // 2 MiB
inline constexpr unsigned max_refcount_order = 6;       // 64-bit refcounts
inline constexpr std::uint32_t max_backing_name = 1023; // bytes
inline constexpr std::size_t max_backing_format = 15;   // bytes
inline constexpr std::uint32_t max_snapshots = 65536;
inline constexpr std::uint64_t min_snapshot_entry_bytes = 40;
inline constexpr std::uint32_t crypt_method_luks = 2;

namespace compression {
inline constexpr std::uint8_t zlib = 0;
inline constexpr std::uint8_t zstd = 1;
} // namespace compression

// Byte offsets of the header fields that are read or rewritten alone. Each field lies within one
// 512-byte sector, so a torn write leaves the old or the new value.
inline constexpr std::uint64_t header_cluster_bits_field = 20;   // 32 bit
inline constexpr std::uint64_t header_size_field = 24;           // 64 bit: guest bytes
inline constexpr std::uint64_t header_l1_field = 36;             // 32 bit entries, 64 bit offset
inline constexpr std::uint64_t header_refcount_table_field = 48; // 64 bit offset, 32 bit clusters
inline constexpr std::uint64_t header_features_field = 72;       // 3 * 64 bit

namespace incompatible {
inline constexpr unsigned dirty_bit = 0;
inline constexpr unsigned corrupt_bit = 1;
inline constexpr unsigned external_data_bit = 2;
inline constexpr unsigned compression_type_bit = 3;
inline constexpr unsigned extended_l2_bit = 4;
} // namespace incompatible
namespace compatible {
inline constexpr unsigned lazy_refcounts_bit = 0;
}
namespace autoclear {
inline constexpr unsigned bitmaps_bit = 0;
inline constexpr unsigned raw_external_data_bit = 1;
} // namespace autoclear

constexpr std::uint64_t bit(unsigned number) {
  return std::uint64_t{1} << number;
}

// --- Section "Header extensions" ---
namespace extension {
inline constexpr std::uint32_t end = 0x00000000;
inline constexpr std::uint32_t backing_format = 0xe2792aca;
inline constexpr std::uint32_t feature_names = 0x6803f857;
inline constexpr std::uint32_t bitmaps = 0x23852875;
inline constexpr std::uint32_t crypto_header = 0x0537be77;
inline constexpr std::uint32_t external_data_file = 0x44415441;
} // namespace extension

// The data of the bitmaps extension: 32 bit bitmaps, 32 bit reserved, 64 bit directory bytes, 64
// bit offset.
inline constexpr std::size_t bitmaps_extension_bytes = 24;
inline constexpr std::uint32_t max_bitmaps = 65535;
inline constexpr std::uint64_t max_bitmap_directory_bytes = bit(26);

// --- Limits that bound memory for any content of the image ---
inline constexpr std::uint64_t max_l1_bytes = 32u << 20;
inline constexpr std::uint64_t max_refcount_table_bytes = 8u << 20;
inline constexpr std::uint64_t max_host_offset = bit(56); // offsets have bits 9 to 55

// --- Sections "Refcount table", "L1 table entry", "Standard Cluster Descriptor" ---
inline constexpr std::uint64_t offset_mask = 0x00fffffffffffe00; // bits 9 to 55
inline constexpr std::uint64_t copied_flag = bit(63);
inline constexpr std::uint64_t compressed_flag = bit(62);
inline constexpr std::uint64_t zero_flag = bit(0);
inline constexpr std::uint64_t refcount_table_reserved_mask = 0xff000000000001ff;
inline constexpr std::uint64_t l1_reserved_mask = 0x7f000000000001ff;
inline constexpr std::uint64_t l2_reserved_mask = 0x3f000000000001fe;

inline constexpr unsigned table_entry_bytes = 8; // L1, L2 and refcount table entries

// Returns the number of L1 entries that a disk of that many bytes needs.
constexpr std::uint64_t l1_entries_for(std::uint64_t guest_bytes, block::ClusterSize size) {
  const std::uint64_t clusters_per_l2 = size.bytes() / table_entry_bytes;
  return (size.clusters_for(guest_bytes) + clusters_per_l2 - 1) / clusters_per_l2;
}

// The L2 entry of one guest cluster.
class L2Entry {
public:
  constexpr L2Entry() = default;
  constexpr explicit L2Entry(std::uint64_t raw) : raw_(raw) {}

  static constexpr L2Entry data(HostOffset offset, bool copied) {
    return L2Entry(offset.value() | (copied ? copied_flag : 0));
  }
  // Reads as zeros, has no host cluster.
  static constexpr L2Entry zeros() { return L2Entry(zero_flag); }

  constexpr std::uint64_t raw() const { return raw_; }
  constexpr bool compressed() const { return raw_ & compressed_flag; }
  constexpr bool copied() const { return raw_ & copied_flag; }
  constexpr bool reads_as_zeros() const { return !compressed() && (raw_ & zero_flag); }
  // The image has no content for the cluster: it comes from the backing file.
  constexpr bool unallocated() const {
    return !compressed() && !(raw_ & zero_flag) && (raw_ & offset_mask) == 0;
  }
  // The host cluster that the entry refers to: its data, or the preallocated cluster of a zero
  // entry.
  constexpr std::optional<HostOffset> host_offset() const {
    if (compressed() || (raw_ & offset_mask) == 0) return std::nullopt;
    return HostOffset(raw_ & offset_mask);
  }
  constexpr bool is_data() const { return host_offset() && !reads_as_zeros(); }

  // Whether this entry, `bytes` after `first` in the disk, has the same kind, and the same distance
  // in the file if `first` has a host cluster. COPIED may differ.
  constexpr bool continues(L2Entry first, std::uint64_t bytes) const {
    const std::uint64_t distance = first.host_offset() ? bytes : 0;
    return with_copied(false).raw_ == first.with_copied(false).raw_ + distance;
  }

  constexpr L2Entry with_copied(bool copied) const {
    return L2Entry((raw_ & ~copied_flag) | (copied ? copied_flag : 0));
  }
  constexpr bool operator==(const L2Entry&) const = default;

private:
  std::uint64_t raw_ = 0;
};

} // namespace qcow2

#endif
