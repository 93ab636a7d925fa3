// Stores the header of an image that is not open yet.
#include "block/qcow2-dedup/table/stored-header.h"

namespace qcow2_dedup {

void enter_extension(qcow2::Header& header, const Extension& extension) {
  auto bytes = encode_extension(extension);
  header.set_extension(extension_magic, {bytes.begin(), bytes.end()});
}

block::Result<void> store_header(qcow2::HostFile& file, qcow2::Header& header,
                                 const std::optional<Extension>& extension) {
  if (extension) enter_extension(header, *extension);
  std::vector<std::byte> stored(header.cluster_size().bytes());
  BLOCK_TRY(file.read(block::HostOffset(0), std::span(stored)));
  BLOCK_TRY_ASSIGN(std::vector<std::byte> bytes, header.encode_over(stored));
  if (bytes == stored) return {};
  BLOCK_TRY(file.write(block::HostOffset(0), std::span<const std::byte>(bytes)));
  return file.barrier();
}

bool table_is_current(const qcow2::Header& header) {
  return is_exclusive(header) || (header.autoclear_features & dedup_feature_mask) != 0;
}

bool is_exclusive(const qcow2::Header& header) {
  return (header.incompatible_features & dedup_feature_mask) != 0;
}

} // namespace qcow2_dedup
