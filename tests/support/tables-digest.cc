// Removing the tables digest.
#include "tests/support/tables-digest.h"

#include "block/qcow2-dedup/table/stored-header.h"

#include <algorithm>

namespace block {

void forget_tables_digest(std::vector<std::byte>& image) {
  qcow2::Header header = qcow2::decode_header(image).value();
  const qcow2::Extension* found = header.find_extension(qcow2_dedup::extension_magic);
  qcow2_dedup::Extension extension =
      qcow2_dedup::decode_extension(found->data, header.cluster_size()).value();
  extension.tables_digest = 0;
  qcow2_dedup::enter_extension(header, extension);
  const std::span<std::byte> first = std::span(image).first(header.cluster_size().bytes());
  const std::vector<std::byte> stored = header.encode_over(first).value();
  std::ranges::copy(stored, first.begin());
}

} // namespace block
