// Root: the record in the header.
#include "block/qcow2/root.h"

#include "block/qcow2/metadata.h"

namespace qcow2 {

Root::Root(Metadata& metadata)
    : mapping_(metadata.file(), metadata.l2_tables(), metadata.allocator(), metadata.cluster_size(),
               metadata.l2_tables_at_once()) {}

Result<void> Root::load(Metadata& metadata) {
  const Record stored = record(metadata);
  return mapping_.load(stored.l1_offset, stored.l1_entries, stored.guest_size);
}

Root::Record HeaderRoot::record(const Metadata& metadata) const {
  const Header& header = metadata.header();
  return {header.l1_offset, header.l1_entries, header.guest_size};
}

Result<void> HeaderRoot::store(Metadata& metadata, const Record& record) {
  Header wanted = metadata.header();
  wanted.l1_offset = record.l1_offset;
  wanted.l1_entries = record.l1_entries;
  wanted.guest_size = record.guest_size;
  return metadata.store_header(std::move(wanted));
}

} // namespace qcow2
