// The header extension 0xCD8E819B: host offset and parameters of the dedup table.
//
// Pure functions over bytes; docs/formats/qcow2-dedup.md is the specification.
#ifndef BLOCK_QCOW2_DEDUP_TABLE_EXTENSION_H
#define BLOCK_QCOW2_DEDUP_TABLE_EXTENSION_H

#include "block/dedup/fingerprint.h"
#include "block/result.h"
#include "block/types.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace qcow2_dedup {

inline constexpr std::uint32_t extension_magic = 0xCD8E819B;
inline constexpr std::size_t extension_bytes = 70; // the header pads it to 72

// The feature bits, each in its qcow2 header field, and the names for the feature name table.
inline constexpr unsigned dedup_feature_bit = 63;
inline constexpr std::uint64_t dedup_feature_mask = std::uint64_t{1} << dedup_feature_bit;
inline constexpr char autoclear_feature_name[] = "dedup table is current";
inline constexpr char incompatible_feature_name[] = "exclusive deduplication";

// The table's L1 is read as a whole, so its size needs a bound: 32 MiB, as for qcow2's own L1. It
// covers 3.2 TiB of file at 512-byte clusters and 25 TiB at 4 KiB: three times what such an image's
// own L1 can map under QEMU's limit.
inline constexpr std::uint32_t max_table_entries = (32u << 20) / sizeof(std::uint64_t);

enum Strategy : std::uint8_t {
  lookup_in_ram = 1 << 0,
  lookup_on_disk = 1 << 1,
  dedup_running = 1 << 2, // clear: the user has paused deduplication
  in_use = 1 << 3,        // opened for writing and not closed cleanly
  scan_pending = 1 << 4,  // data may be stored that was never compared with other data
};

// Data of an image, in clusters.
struct DataClusters {
  std::uint64_t named = 0;  // L2 entries that refer to a host cluster
  std::uint64_t stored = 0; // host clusters that they refer to, each counted once

  bool operator==(const DataClusters&) const = default;
};

struct Extension {
  block::HostOffset table_offset;  // host offset of the table's L1; 0 = no table yet
  std::uint32_t table_entries = 0; // 64-bit pointers in that L1
  dedup::HashAlgorithm algorithm = dedup::HashAlgorithm::sha256;
  std::uint8_t strategies = lookup_in_ram | dedup_running; // Strategy bits
  // With scan_pending: the guest cluster from which on that applies.
  std::uint64_t scan_position = 0;
  // The witness of the last clean end, 0 = not recorded: the end of the last cluster in use, and
  // the digest of the tables that lead to all others.
  std::uint64_t file_end = 0;
  std::uint64_t tables_digest = 0;
  // Not 0: the file was found to end at this offset, before file_end; data stored beyond is lost.
  std::uint64_t lost_from = 0;
  std::array<std::byte, 8> reserved{}; // written back as found, for later versions
  // Value at the last clean close; nothing if no program has counted yet.
  std::optional<DataClusters> data;

  bool operator==(const Extension&) const = default;
  std::uint64_t table_bytes() const { return table_entries * std::uint64_t{sizeof(std::uint64_t)}; }
  bool has(Strategy strategy) const { return (strategies & strategy) != 0; }
  // Returns the guest cluster from which on a scan has work to do; nothing if there is no work.
  std::optional<std::uint64_t> scan_mark() const {
    return has(scan_pending) ? std::optional(scan_position) : std::nullopt;
  }
  void set_scan_mark(std::optional<std::uint64_t> position) {
    set(scan_pending, position.has_value());
    scan_position = position.value_or(0);
  }
  void note_lost(std::uint64_t from) {
    lost_from = lost_from == 0 ? from : std::min(lost_from, from);
  }
  void set(Strategy strategy, bool on) {
    strategies = static_cast<std::uint8_t>(on ? strategies | strategy : strategies & ~strategy);
  }
};

// `data` is the extension's data without padding. Errors: corrupt, if it violates the format;
// unsupported, if it is sound but has an unknown strategy, or a table too large to load. In the
// latter case the image is left unchanged for a program that supports it.
//
// The algorithm may be any number, because the layout of the table is the same for all. Only a
// writer needs the hashes; dedup::check_usable() tests whether this build can compute them. The
// caller must check that the L1 lies within the file and overlaps nothing.
block::Result<Extension> decode_extension(std::span<const std::byte> data,
                                          block::ClusterSize cluster_size);

std::array<std::byte, extension_bytes> encode_extension(const Extension& extension);

} // namespace qcow2_dedup

#endif
