// Decoding and encoding of the qcow2 header. Every field is checked before it is used.
#include "block/qcow2/header.h"

#include "block/endian.h"
#include "block/sector.h"

#include <algorithm>
#include <cstring>

namespace qcow2 {
namespace {

using block::load_big_endian;
using block::store_big_endian;

constexpr std::size_t extension_head_bytes = 8; // type and length
constexpr std::size_t feature_name_bytes = 48;

std::size_t padded(std::size_t bytes) {
  return (bytes + 7) & ~std::size_t{7};
}

Error corrupt(std::string message) {
  return Error(ErrorKind::corrupt, std::move(message));
}

Result<void> check_inside(HostOffset offset, std::uint64_t bytes, std::uint64_t file_length,
                          const char* what) {
  if (offset.value() != 0 && offset.value() <= file_length && bytes <= file_length - offset.value())
    return {};
  return corrupt(std::string(what) + " lies outside the image file");
}

// Checks the extensions that the standard defines.
Result<void> check_extension(const Header& header, const Extension& found) {
  std::size_t length = found.data.size();
  if (found.type == extension::backing_format && length > max_backing_format)
    return corrupt("Backing file format too long");
  if (found.type == extension::crypto_header && header.crypt_method != crypt_method_luks)
    return corrupt("Encryption header extension without LUKS encryption");
  if (found.type != extension::bitmaps) return {};
  if (length != bitmaps_extension_bytes) return corrupt("Bitmaps extension of a wrong length");
  // Without the bit the extension is stale and is not used.
  if (!(header.autoclear_features & bit(autoclear::bitmaps_bit))) return {};
  const std::byte* at = found.data.data();
  auto bitmaps = load_big_endian<std::uint32_t>(at);
  auto directory_bytes = load_big_endian<std::uint64_t>(at + 8);
  HostOffset directory(load_big_endian<std::uint64_t>(at + 16));
  if (bitmaps == 0 || bitmaps > max_bitmaps || load_big_endian<std::uint32_t>(at + 4) != 0 ||
      directory_bytes > max_bitmap_directory_bytes || !header.cluster_size().aligned(directory))
    return corrupt("Bitmaps extension invalid");
  return {};
}

Result<void> decode_extensions(Header& header, std::span<const std::byte> area) {
  while (!area.empty()) {
    if (area.size() < extension_head_bytes) return corrupt("Header extension too large");
    auto type = load_big_endian<std::uint32_t>(area.data());
    auto length = load_big_endian<std::uint32_t>(area.data() + 4);
    if (length > area.size() - extension_head_bytes) return corrupt("Header extension too large");
    if (type == extension::end) return {};
    auto data = area.subspan(extension_head_bytes, length);
    header.extensions.push_back({type, {data.begin(), data.end()}});
    BLOCK_TRY(check_extension(header, header.extensions.back()));
    area = area.subspan(std::min(area.size(), extension_head_bytes + padded(length)));
  }
  return {}; // the end of the cluster also ends the list
}

Result<void> decode_backing_file(Header& header, std::span<const std::byte> first_cluster) {
  auto offset = load_big_endian<std::uint64_t>(first_cluster.data() + 8);
  auto length = load_big_endian<std::uint32_t>(first_cluster.data() + 16);
  if (offset == 0) return {};
  if (offset > first_cluster.size()) return corrupt("Invalid backing file offset");
  if (length > std::min<std::uint64_t>(max_backing_name, first_cluster.size() - offset))
    return corrupt("Backing file name too long");
  const char* name = reinterpret_cast<const char*>(first_cluster.data() + offset);
  header.backing_file.assign(name, length);
  if (header.backing_file.find('\0') != std::string::npos)
    return corrupt("Backing file name contains a zero byte");
  return {};
}

Result<void> check_fields(const Header& header) {
  if (header.refcount_order > max_refcount_order)
    return corrupt("Reference count entry width too large; may not exceed 64 bits");
  if (header.l1_bytes() > max_l1_bytes) return corrupt("Active L1 table too large");
  // Each L1 entry covers one L2 table of cluster_size / 8 clusters.
  unsigned covered_bits = 2 * header.cluster_bits - 3;
  if (header.l1_entries < ClusterSize(covered_bits).clusters_for(header.guest_size))
    return corrupt("L1 table is too small");
  if (header.refcount_table_clusters == 0)
    return corrupt("Image does not contain a reference count table");
  if (std::uint64_t{header.refcount_table_clusters} << header.cluster_bits >
      max_refcount_table_bytes)
    return corrupt("Reference count table too large");
  ClusterSize size = header.cluster_size();
  if (!size.aligned(header.refcount_table_offset) ||
      header.refcount_table_offset.value() >= max_host_offset)
    return corrupt("Invalid reference count table offset");
  if (!size.aligned(header.l1_offset) || header.l1_offset.value() >= max_host_offset)
    return corrupt("Active L1 table offset invalid");
  if (header.snapshot_count > max_snapshots) return corrupt("Snapshot table too large");
  // Checked even if there are no snapshots.
  if (!size.aligned(header.snapshots_offset) ||
      header.snapshots_offset.value() >
          INT64_MAX - std::uint64_t{header.snapshot_count} * min_snapshot_entry_bytes)
    return corrupt("Snapshot table offset invalid");
  if (header.compression_type > compression::zstd)
    return Error(ErrorKind::unsupported,
                 "Unknown compression type " + std::to_string(header.compression_type));
  bool says_compression =
      (header.incompatible_features & bit(incompatible::compression_type_bit)) != 0;
  if (says_compression != (header.compression_type != compression::zlib))
    return corrupt("Compression type contradicts its incompatible feature bit");
  return {};
}

} // namespace

bool has_magic(std::span<const std::byte> head) {
  return head.size() >= 4 && load_big_endian<std::uint32_t>(head.data()) == magic;
}

bool is_version_1(std::span<const std::byte> head) {
  return head.size() >= 8 && load_big_endian<std::uint32_t>(head.data() + 4) == 1;
}

Result<Header> decode_header(std::span<const std::byte> first_bytes) {
  if (!has_magic(first_bytes))
    return Error(ErrorKind::invalid_argument, "Image is not in qcow2 format");
  if (first_bytes.size() < 24) return corrupt("qcow2 header is cut off");
  const std::byte* at = first_bytes.data();
  Header header;
  header.version = load_big_endian<std::uint32_t>(at + 4);
  if (header.version != version_3)
    return Error(ErrorKind::unsupported,
                 "Unsupported qcow2 version " + std::to_string(header.version))
        .with_hint("Only version 3 images can be used; 'qemu-img amend -o compat=1.1' converts a "
                   "version 2 image.");
  if (first_bytes.size() < min_header_length) return corrupt("qcow2 header is cut off");
  header.cluster_bits = load_big_endian<std::uint32_t>(at + 20);
  if (header.cluster_bits < min_cluster_bits || header.cluster_bits > max_cluster_bits)
    return corrupt("Unsupported cluster size: 2^" + std::to_string(header.cluster_bits));
  header.guest_size = load_big_endian<std::uint64_t>(at + 24);
  header.crypt_method = load_big_endian<std::uint32_t>(at + 32);
  header.l1_entries = load_big_endian<std::uint32_t>(at + 36);
  header.l1_offset = HostOffset(load_big_endian<std::uint64_t>(at + 40));
  header.refcount_table_offset = HostOffset(load_big_endian<std::uint64_t>(at + 48));
  header.refcount_table_clusters = load_big_endian<std::uint32_t>(at + 56);
  header.snapshot_count = load_big_endian<std::uint32_t>(at + 60);
  header.snapshots_offset = HostOffset(load_big_endian<std::uint64_t>(at + 64));
  header.incompatible_features = load_big_endian<std::uint64_t>(at + 72);
  header.compatible_features = load_big_endian<std::uint64_t>(at + 80);
  header.autoclear_features = load_big_endian<std::uint64_t>(at + 88);
  header.refcount_order = load_big_endian<std::uint32_t>(at + 96);
  auto header_length = load_big_endian<std::uint32_t>(at + 100);
  if (header_length < min_header_length) return corrupt("qcow2 header too short");
  std::span<const std::byte> first_cluster =
      first_bytes.first(std::min<std::size_t>(header.cluster_size().bytes(), first_bytes.size()));
  if (header_length > first_cluster.size()) return corrupt("qcow2 header exceeds cluster size");
  if (header_length > min_header_length)
    header.compression_type = std::to_integer<std::uint8_t>(at[104]);
  if (header_length > header_length_v3)
    header.additional_fields.assign(at + header_length_v3, at + header_length);

  BLOCK_TRY(check_fields(header));
  BLOCK_TRY(decode_backing_file(header, first_cluster));
  // Extensions end where the backing file name begins.
  auto backing_offset = load_big_endian<std::uint64_t>(at + 8);
  std::uint64_t extensions_end = backing_offset != 0 ? backing_offset : first_cluster.size();
  if (extensions_end > header_length)
    BLOCK_TRY(decode_extensions(
        header, first_cluster.subspan(header_length, extensions_end - header_length)));
  return header;
}

Result<void> check_supported(const Header& header, std::uint64_t known_incompatible) {
  auto refuse = [](const std::string& what) {
    return Error(ErrorKind::unsupported, what + " are not supported yet");
  };
  if (header.crypt_method != 0) return refuse("Encrypted images");
  if (header.incompatible_features & bit(incompatible::external_data_bit))
    return refuse("External data files");
  if (header.incompatible_features & bit(incompatible::extended_l2_bit))
    return refuse("Extended L2 entries");
  if (header.autoclear_features & bit(autoclear::raw_external_data_bit))
    return corrupt("The header says that external data is raw, but there is no external data file");
  std::uint64_t known = known_incompatible | bit(incompatible::dirty_bit) |
                        bit(incompatible::corrupt_bit) | bit(incompatible::compression_type_bit);
  std::uint64_t unknown = header.incompatible_features & ~known;
  if (unknown != 0) {
    std::string names;
    for (unsigned number = 0; number < 64; ++number) {
      if (!(unknown & bit(number))) continue;
      if (!names.empty()) names += ", ";
      names += header.feature_name(FeatureKind::incompatible, number);
    }
    return Error(ErrorKind::unsupported, "Unsupported qcow2 feature(s): " + names);
  }
  if (header.snapshot_count != 0) return refuse("Internal snapshots");
  return {};
}

Result<void> check_l1_place(const Header& header, std::uint64_t file_length) {
  if (header.l1_entries == 0) return {};
  return check_inside(header.l1_offset, header.l1_bytes(), file_length, "Active L1 table");
}

Result<void> check_refcount_table_place(const Header& header, std::uint64_t file_length) {
  return check_inside(header.refcount_table_offset, header.refcount_table_bytes(), file_length,
                      "Reference count table");
}

const Extension* Header::find_extension(std::uint32_t type) const {
  auto found = std::find_if(extensions.begin(), extensions.end(),
                            [&](const Extension& candidate) { return candidate.type == type; });
  return found == extensions.end() ? nullptr : &*found;
}

void Header::set_extension(std::uint32_t type, std::vector<std::byte> data) {
  for (Extension& candidate : extensions) {
    if (candidate.type != type) continue;
    candidate.data = std::move(data);
    return;
  }
  extensions.push_back({type, std::move(data)});
}

void Header::remove_extension(std::uint32_t type) {
  std::erase_if(extensions, [&](const Extension& candidate) { return candidate.type == type; });
}

std::string Header::backing_format() const {
  // If there are several, the last one applies.
  auto format =
      std::find_if(extensions.rbegin(), extensions.rend(), [](const Extension& candidate) {
        return candidate.type == extension::backing_format;
      });
  if (format == extensions.rend()) return {};
  return std::string(reinterpret_cast<const char*>(format->data.data()), format->data.size());
}

std::string Header::feature_name(FeatureKind kind, unsigned bit_number) const {
  if (const Extension* table = find_extension(extension::feature_names))
    for (const FeatureName& feature : decode_feature_names(table->data))
      if (feature.kind == kind && feature.bit == bit_number) return feature.name;
  return "unknown feature bit " + std::to_string(bit_number);
}

Result<std::vector<std::byte>> Header::encode() const {
  BLOCK_TRY_ASSIGN(std::vector<std::byte> bytes, encode_content());
  bytes.resize(cluster_size().bytes());
  return bytes;
}

Result<std::vector<std::byte>> Header::encode_content() const {
  std::vector<std::byte> bytes(header_length_v3);
  std::byte* at = bytes.data();
  store_big_endian(at, magic);
  store_big_endian(at + 4, version);
  store_big_endian<std::uint32_t>(at + 20, cluster_bits);
  store_big_endian(at + 24, guest_size);
  store_big_endian(at + 32, crypt_method);
  store_big_endian(at + 36, l1_entries);
  store_big_endian(at + 40, l1_offset.value());
  store_big_endian(at + 48, refcount_table_offset.value());
  store_big_endian(at + 56, refcount_table_clusters);
  store_big_endian(at + 60, snapshot_count);
  store_big_endian(at + 64, snapshots_offset.value());
  store_big_endian(at + 72, incompatible_features);
  store_big_endian(at + 80, compatible_features);
  store_big_endian(at + 88, autoclear_features);
  store_big_endian<std::uint32_t>(at + 96, refcount_order);
  store_big_endian(at + 100,
                   static_cast<std::uint32_t>(header_length_v3 + additional_fields.size()));
  at[104] = std::byte{compression_type};
  bytes.insert(bytes.end(), additional_fields.begin(), additional_fields.end());

  auto append_extension = [&](std::uint32_t type, std::span<const std::byte> data) {
    std::size_t start = bytes.size();
    bytes.resize(start + extension_head_bytes + padded(data.size()));
    store_big_endian(bytes.data() + start, type);
    store_big_endian(bytes.data() + start + 4, static_cast<std::uint32_t>(data.size()));
    if (!data.empty()) std::memcpy(bytes.data() + start + 8, data.data(), data.size());
  };
  for (const Extension& each : extensions)
    append_extension(each.type, each.data);
  append_extension(extension::end, {});
  if (!backing_file.empty()) {
    store_big_endian<std::uint64_t>(bytes.data() + 8, bytes.size());
    store_big_endian(bytes.data() + 16, static_cast<std::uint32_t>(backing_file.size()));
    const auto* name = reinterpret_cast<const std::byte*>(backing_file.data());
    bytes.insert(bytes.end(), name, name + backing_file.size());
  }
  if (bytes.size() > cluster_size().bytes())
    return Error(ErrorKind::no_space, "the header with its extensions does not fit into one "
                                      "cluster of " +
                                          std::to_string(cluster_size().bytes()) + " bytes");
  return bytes;
}

Result<std::vector<std::byte>> Header::encode_over(std::span<const std::byte> stored) const {
  Result<Header> former = decode_header(stored);
  auto same_shape = [](const Extension& a, const Extension& b) {
    return a.type == b.type && a.data.size() == b.data.size();
  };
  if (!former) return encode();
  if (former->backing_file != backing_file || former->additional_fields != additional_fields ||
      !std::equal(extensions.begin(), extensions.end(), former->extensions.begin(),
                  former->extensions.end(), same_shape)) {
    BLOCK_TRY_ASSIGN(std::vector<std::byte> bytes, encode_content());
    // The sectors after the new header are not read any more. They stay for the former header,
    // because a power cut may leave its first sector.
    constexpr std::size_t sector = block::sector_bytes;
    bytes.resize((bytes.size() + sector - 1) / sector * sector);
    if (bytes.size() < stored.size())
      bytes.insert(bytes.end(), stored.begin() + static_cast<std::ptrdiff_t>(bytes.size()),
                   stored.end());
    return bytes;
  }
  BLOCK_TRY_ASSIGN(std::vector<std::byte> fresh, encode());
  std::vector<std::byte> bytes(stored.begin(), stored.end());
  auto take_over = [&](std::size_t from, std::size_t to) {
    std::copy(fresh.begin() + static_cast<std::ptrdiff_t>(from),
              fresh.begin() + static_cast<std::ptrdiff_t>(to),
              bytes.begin() + static_cast<std::ptrdiff_t>(from));
  };
  // The offset and size of the backing file name (bytes 8 to 19) and the length of the header (100
  // to 103) stay unchanged.
  take_over(0, 8);
  take_over(20, 100);
  std::size_t position = load_big_endian<std::uint32_t>(stored.data() + 100);
  for (const Extension& each : extensions) {
    if (!each.data.empty())
      std::memcpy(bytes.data() + position + extension_head_bytes, each.data.data(),
                  each.data.size());
    position += extension_head_bytes + padded(each.data.size());
  }
  return bytes;
}

std::vector<FeatureName> decode_feature_names(std::span<const std::byte> data) {
  std::vector<FeatureName> names;
  for (; data.size() >= feature_name_bytes; data = data.subspan(feature_name_bytes)) {
    auto kind = std::to_integer<std::uint8_t>(data[0]);
    if (kind > static_cast<std::uint8_t>(FeatureKind::autoclear)) continue;
    const char* text = reinterpret_cast<const char*>(data.data() + 2);
    std::string name(text, strnlen(text, feature_name_bytes - 2));
    names.push_back({FeatureKind{kind}, std::to_integer<std::uint8_t>(data[1]), std::move(name)});
  }
  return names;
}

std::vector<std::byte> encode_feature_names(std::span<const FeatureName> names) {
  std::vector<std::byte> data(names.size() * feature_name_bytes);
  std::byte* at = data.data();
  for (const FeatureName& feature : names) {
    at[0] = static_cast<std::byte>(feature.kind);
    at[1] = std::byte{feature.bit};
    std::memcpy(at + 2, feature.name.data(), std::min(feature.name.size(), feature_name_bytes - 2));
    at += feature_name_bytes;
  }
  return data;
}

const std::vector<FeatureName>& standard_feature_names() {
  using enum FeatureKind;
  static const std::vector<FeatureName> names = {
      {incompatible, incompatible::dirty_bit, "dirty bit"},
      {incompatible, incompatible::corrupt_bit, "corrupt bit"},
      {incompatible, incompatible::external_data_bit, "external data file"},
      {incompatible, incompatible::compression_type_bit, "compression type"},
      {incompatible, incompatible::extended_l2_bit, "extended L2 entries"},
      {compatible, compatible::lazy_refcounts_bit, "lazy refcounts"},
      {autoclear, autoclear::bitmaps_bit, "bitmaps"},
      {autoclear, autoclear::raw_external_data_bit, "raw external data"},
  };
  return names;
}

} // namespace qcow2
