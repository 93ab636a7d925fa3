// Witness: the end of the file and a digest of two tables.
#include "block/qcow2-dedup/witness.h"

#include "block/util/big-endian.h"

#include <algorithm>

namespace qcow2_dedup {

std::uint64_t tables_digest(qcow2::Disk& disk) {
  std::vector<std::byte> tables = disk.mapping().encode_l1(disk.mapping().l1_entries());
  std::vector<std::byte> counts = disk.image.refcounts().encode_table();
  tables.insert(tables.end(), counts.begin(), counts.end());
  const std::byte* data = tables.data();
  dedup::Fingerprint digest;
  dedup::Hasher::create(dedup::HashAlgorithm::sha256)
      ->fingerprint({&data, 1}, tables.size(), {&digest, 1});
  return std::max<std::uint64_t>(1, digest.prefix64());
}

void record_witness(qcow2::Disk& disk, Extension& extension) {
  qcow2::Image& image = disk.image;
  block::Result<block::HostCluster> end = image.refcounts().used_end();
  if (!end) return clear_witness(extension);
  // The last cluster of a file may be cut short.
  extension.file_end = std::min(image.cluster_size().start(*end), image.file().end()).value();
  extension.tables_digest = tables_digest(disk);
}

void clear_witness(Extension& extension) {
  extension.file_end = extension.tables_digest = 0;
}

std::uint64_t missing_bytes(const Extension& extension, std::uint64_t file_bytes) {
  return extension.file_end > file_bytes ? extension.file_end - file_bytes : 0;
}

} // namespace qcow2_dedup
