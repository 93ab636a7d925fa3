// Encodes the header over the stored one, and hashes the tables.
#include "tests/support/image-edits.h"

#include "block/qcow2-dedup/table/stored-header.h"

#include <algorithm>
#include <array>
#include <utility>

namespace block {

void store_dedup_extension(std::vector<std::byte>& image, const qcow2_dedup::Extension& extension) {
  qcow2::Header header = qcow2::decode_header(image).value();
  qcow2_dedup::enter_extension(header, extension);
  const std::span<std::byte> first = std::span(image).first(header.cluster_size().bytes());
  const std::vector<std::byte> stored = header.encode_over(first).value();
  std::ranges::copy(stored, first.begin());
}

void record_tables_digest(std::vector<std::byte>& image) {
  Result<qcow2::Header> header = qcow2::decode_header(image);
  if (!header) return;
  const qcow2::Extension* found = header->find_extension(qcow2_dedup::extension_magic);
  if (!found) return;
  auto extension = qcow2_dedup::decode_extension(found->data, header->cluster_size());
  if (!extension || image.size() < header->cluster_size().bytes()) return;
  if (!header->encode()) return; // a hostile header that cannot be stored
  std::vector<std::byte> tables;
  const std::array<std::pair<HostOffset, std::uint64_t>, 3> places = {{
      {header->l1_offset, header->l1_bytes()},
      {header->refcount_table_offset, header->refcount_table_bytes()},
      {extension->table_offset, extension->table_bytes()},
  }};
  for (auto [offset, bytes] : places) {
    if (bytes == 0 || offset == HostOffset()) continue;
    if (offset.value() >= image.size() || bytes > 64u << 20) return;
    const std::span<std::byte> rest = std::span(image).subspan(offset.value());
    const auto there = rest.first(std::min<std::uint64_t>(bytes, rest.size()));
    tables.insert(tables.end(), there.begin(), there.end());
    tables.resize(tables.size() + bytes - there.size()); // zeros beyond the end of the file
  }
  const std::byte* data = tables.data();
  dedup::Fingerprint digest;
  dedup::Hasher::create(dedup::HashAlgorithm::sha256)
      ->fingerprint({&data, 1}, tables.size(), {&digest, 1});
  extension->tables_digest = std::max<std::uint64_t>(1, digest.prefix64());
  store_dedup_extension(image, *extension);
}

} // namespace block
