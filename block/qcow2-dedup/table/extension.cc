// Encoding and decoding of the dedup header extension.
#include "block/qcow2-dedup/table/extension.h"

#include "block/endian.h"

#include <cstring>
#include <string>

namespace qcow2_dedup {
namespace {

// Byte offsets within the extension's data.
constexpr std::size_t at_offset = 0;
constexpr std::size_t at_entries = 8;
constexpr std::size_t at_algorithm = 12;
constexpr std::size_t at_strategies = 13;
constexpr std::size_t at_scan_position = 14;
constexpr std::size_t at_file_end = 22;
constexpr std::size_t at_tables_digest = 30;
constexpr std::size_t at_lost_from = 38;
constexpr std::size_t at_reserved = 46;
constexpr std::size_t at_named_clusters = 54; // plus one; 0 = not counted
constexpr std::size_t at_stored_clusters = 62;
static_assert(at_reserved + sizeof(Extension::reserved) == at_named_clusters);
static_assert(at_stored_clusters + sizeof(std::uint64_t) == extension_bytes);

constexpr std::uint8_t known_strategies =
    lookup_in_ram | lookup_on_disk | dedup_running | in_use | scan_pending;

// The specification of qcow2 leaves the top 8 bits of host offsets reserved.
constexpr std::uint64_t host_offset_limit = std::uint64_t{1} << 56;

block::Error corrupt(const std::string& what) {
  return block::Error(block::ErrorKind::corrupt, "dedup header extension: " + what);
}

block::Error unsupported(const std::string& what) {
  return block::Error(block::ErrorKind::unsupported, what);
}

block::Result<void> check_table(const Extension& extension, block::ClusterSize cluster_size) {
  const std::uint64_t offset = extension.table_offset.value();
  if (!cluster_size.aligned(extension.table_offset))
    return corrupt("table offset " + std::to_string(offset) + " is not cluster aligned");
  if (offset >= host_offset_limit)
    return corrupt("table offset " + std::to_string(offset) + " is out of range");
  if ((offset == 0) != (extension.table_entries == 0))
    return corrupt(offset == 0 ? "table entries but no table" : "a table without entries");
  return {};
}

block::Result<void> check_supported(const Extension& extension) {
  if (extension.table_entries > max_table_entries)
    return unsupported("a dedup table of " + std::to_string(extension.table_entries) +
                       " entries is not supported, only up to " +
                       std::to_string(max_table_entries));
  const unsigned unknown = extension.strategies & ~unsigned{known_strategies};
  for (unsigned bit = 0; bit < 8; ++bit)
    if ((unknown >> bit & 1) != 0)
      return unsupported("dedup strategy bit " + std::to_string(bit) + " is not supported");
  return {};
}

} // namespace

block::Result<Extension> decode_extension(std::span<const std::byte> data,
                                          block::ClusterSize cluster_size) {
  if (data.size() != extension_bytes)
    return corrupt("length " + std::to_string(data.size()) + " instead of " +
                   std::to_string(extension_bytes));
  Extension extension;
  extension.table_offset =
      block::HostOffset(block::load_big_endian<std::uint64_t>(&data[at_offset]));
  extension.table_entries = block::load_big_endian<std::uint32_t>(&data[at_entries]);
  extension.algorithm =
      static_cast<dedup::HashAlgorithm>(std::to_integer<std::uint8_t>(data[at_algorithm]));
  extension.strategies = std::to_integer<std::uint8_t>(data[at_strategies]);
  extension.scan_position = block::load_big_endian<std::uint64_t>(&data[at_scan_position]);
  extension.file_end = block::load_big_endian<std::uint64_t>(&data[at_file_end]);
  extension.tables_digest = block::load_big_endian<std::uint64_t>(&data[at_tables_digest]);
  extension.lost_from = block::load_big_endian<std::uint64_t>(&data[at_lost_from]);
  std::memcpy(extension.reserved.data(), &data[at_reserved], extension.reserved.size());
  if (auto counted = block::load_big_endian<std::uint64_t>(&data[at_named_clusters]))
    extension.data = {counted - 1,
                      block::load_big_endian<std::uint64_t>(&data[at_stored_clusters])};
  BLOCK_TRY(check_table(extension, cluster_size));
  BLOCK_TRY(check_supported(extension));
  return extension;
}

std::array<std::byte, extension_bytes> encode_extension(const Extension& extension) {
  std::array<std::byte, extension_bytes> data{};
  block::store_big_endian(&data[at_offset], extension.table_offset.value());
  block::store_big_endian(&data[at_entries], extension.table_entries);
  data[at_algorithm] = static_cast<std::byte>(extension.algorithm);
  data[at_strategies] = static_cast<std::byte>(extension.strategies);
  block::store_big_endian(&data[at_scan_position], extension.scan_position);
  block::store_big_endian(&data[at_file_end], extension.file_end);
  block::store_big_endian(&data[at_tables_digest], extension.tables_digest);
  block::store_big_endian(&data[at_lost_from], extension.lost_from);
  std::memcpy(&data[at_reserved], extension.reserved.data(), extension.reserved.size());
  if (extension.data) {
    block::store_big_endian(&data[at_named_clusters], extension.data->named + 1);
    block::store_big_endian(&data[at_stored_clusters], extension.data->stored);
  }
  return data;
}

} // namespace qcow2_dedup
