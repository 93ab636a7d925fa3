// The qcow2 header with its extensions: decode, validate, encode.
#ifndef BLOCK_QCOW2_HEADER_H
#define BLOCK_QCOW2_HEADER_H

#include "block/qcow2/format.h"
#include "block/result.h"

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace qcow2 {

using block::Error;
using block::ErrorKind;
using block::Result;

struct Extension {
  std::uint32_t type;
  std::vector<std::byte> data; // without padding
};

enum class FeatureKind : std::uint8_t { incompatible = 0, compatible = 1, autoclear = 2 };

struct FeatureName {
  FeatureKind kind;
  std::uint8_t bit;
  std::string name; // at most 46 bytes
};

struct Header {
  std::uint32_t version = version_3;
  unsigned cluster_bits = 16;
  std::uint64_t guest_size = 0; // bytes
  std::uint32_t crypt_method = 0;
  std::uint32_t l1_entries = 0;
  HostOffset l1_offset;
  HostOffset refcount_table_offset;
  std::uint32_t refcount_table_clusters = 0;
  std::uint32_t snapshot_count = 0;
  HostOffset snapshots_offset;
  std::uint64_t incompatible_features = 0;
  std::uint64_t compatible_features = 0;
  std::uint64_t autoclear_features = 0;
  unsigned refcount_order = 4; // refcounts are 2^order bits wide
  std::uint8_t compression_type = 0;
  // The bytes of a header beyond byte 112; kept as they are.
  std::vector<std::byte> additional_fields;
  std::vector<Extension> extensions; // in file order, without the end marker; unknown ones are kept
  std::string backing_file;          // empty = none

  ClusterSize cluster_size() const { return ClusterSize(cluster_bits); }
  unsigned refcount_bits() const { return 1u << refcount_order; }
  std::uint64_t max_refcount() const {
    return refcount_bits() == 64 ? UINT64_MAX : bit(refcount_bits()) - 1;
  }
  bool dirty() const { return incompatible_features & bit(incompatible::dirty_bit); }
  bool corrupt() const { return incompatible_features & bit(incompatible::corrupt_bit); }
  bool lazy_refcounts() const { return compatible_features & bit(compatible::lazy_refcounts_bit); }
  std::uint64_t l1_bytes() const { return std::uint64_t{l1_entries} * table_entry_bytes; }
  std::uint64_t refcount_table_bytes() const {
    return std::uint64_t{refcount_table_clusters} << cluster_bits;
  }

  const Extension* find_extension(std::uint32_t type) const; // null if absent; owned by the header
  // Replaces the extension of that type where it stands, or appends it.
  void set_extension(std::uint32_t type, std::vector<std::byte> data);
  void remove_extension(std::uint32_t type);
  std::string backing_format() const; // empty = not stored
  // Returns the name from the feature name table of this image; "unknown feature bit N" if the
  // table has no name for it.
  std::string feature_name(FeatureKind kind, unsigned bit_number) const;

  // Returns the header cluster: fields, extensions, backing file name. Error: no_space if it does
  // not fit into one cluster.
  Result<std::vector<std::byte>> encode() const;
  // As encode(), but keeps the layout of `stored`, the header cluster in the file, if only fields
  // and contents of extensions differ from it. So a small change stays within its sector, whichever
  // program wrote the header. With a new layout, the sectors after its end keep their stored
  // content.
  Result<std::vector<std::byte>> encode_over(std::span<const std::byte> stored) const;

private:
  // The header cluster without its zero padding.
  Result<std::vector<std::byte>> encode_content() const;
};

// Whether the bytes begin with qcow2's magic number.
bool has_magic(std::span<const std::byte> head);
// Whether bytes with the magic belong to the older format "qcow".
bool is_version_1(std::span<const std::byte> head);

// Decodes the first cluster of a file, or the part that the file has; `first_bytes` are hostile.
// Checks every field that can be checked without the rest of the file. Errors: invalid_argument (no
// magic), corrupt, unsupported (the message names the version).
Result<Header> decode_header(std::span<const std::byte> first_bytes);

// Refuses, by name, what this driver cannot read: unknown incompatible features, encryption, data
// files, snapshots. `known_incompatible` has the bits that the caller supports in addition to the
// standard ones.
Result<void> check_supported(const Header& header, std::uint64_t known_incompatible);

// Check that a table that the header names lies within the file. `file_length` in bytes. Reading
// needs only the L1 table.
Result<void> check_l1_place(const Header& header, std::uint64_t file_length);
Result<void> check_refcount_table_place(const Header& header, std::uint64_t file_length);

// The feature name table extension. An entry that is cut off or of an unknown kind is ignored.
std::vector<FeatureName> decode_feature_names(std::span<const std::byte> data);
std::vector<std::byte> encode_feature_names(std::span<const FeatureName> names);
// The names of the standard's own features, which every image of version 3 carries.
const std::vector<FeatureName>& standard_feature_names();

} // namespace qcow2

#endif
