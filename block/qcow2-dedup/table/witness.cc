// Witness: the end of the file and a digest of three tables.
#include "block/qcow2-dedup/table/witness.h"

#include <algorithm>

namespace qcow2_dedup {

using block::HostOffset;
using block::Result;

namespace {

// Returns the digest of the active L1 table, the refcount table and the L1 of the dedup table, as
// they are in the file; never 0. They lead to all other tables, and one of them changes whenever a
// table is added to the image.
Result<std::uint64_t> tables_digest(qcow2::HostFile& file, const qcow2::Header& header,
                                    const Extension& extension) {
  struct Place {
    HostOffset offset;
    std::uint64_t bytes;
  };
  std::vector<std::byte> tables;
  for (auto [offset, bytes] : {Place{header.l1_offset, header.l1_bytes()},
                               Place{header.refcount_table_offset, header.refcount_table_bytes()},
                               Place{extension.table_offset, extension.table_bytes()}}) {
    if (bytes == 0 || offset == HostOffset()) continue;
    const std::size_t begin = tables.size();
    tables.resize(begin + bytes);
    BLOCK_TRY(file.read(offset, std::span(tables).subspan(begin)));
  }
  const std::byte* data = tables.data();
  dedup::Fingerprint digest;
  BLOCK_TRY_ASSIGN(dedup::Hasher hasher, dedup::Hasher::create(dedup::HashAlgorithm::sha256));
  hasher.fingerprint({&data, 1}, tables.size(), {&digest, 1});
  return std::max<std::uint64_t>(1, digest.prefix64());
}

} // namespace

void record_witness(qcow2::Metadata& metadata, Extension& extension) {
  Result<block::HostCluster> end = metadata.refcounts().used_end();
  if (!end) return clear_witness(extension);
  // The last cluster of a file may be cut short.
  extension.file_end = std::min(metadata.cluster_size().start(*end), metadata.file().end()).value();
  record_tables(metadata.file(), metadata.header(), extension);
}

void record_tables(qcow2::HostFile& file, const qcow2::Header& header, Extension& extension) {
  Result<std::uint64_t> digest = tables_digest(file, header, extension);
  extension.tables_digest = digest ? *digest : 0;
}

void clear_witness(Extension& extension) {
  extension.file_end = extension.tables_digest = 0;
}

std::uint64_t missing_bytes(const Extension& extension, std::uint64_t file_bytes) {
  return extension.file_end > file_bytes ? extension.file_end - file_bytes : 0;
}

bool tables_are_as_recorded(qcow2::HostFile& file, const qcow2::Header& header,
                            const Extension& extension) {
  if (extension.table_offset == HostOffset()) return true;
  if (extension.tables_digest == 0) return false;
  Result<std::uint64_t> digest = tables_digest(file, header, extension);
  return !digest || *digest == extension.tables_digest;
}

} // namespace qcow2_dedup
