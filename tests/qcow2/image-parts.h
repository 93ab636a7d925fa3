// The parts of an image, put together by hand: refcounts, allocator and mapping over a file in RAM.
//
// Cluster 0 is the header's, 1 the refcount table, 2 the first refcount block, 3 the L1 table; all
// others are free.
#ifndef TESTS_QCOW2_IMAGE_PARTS_H
#define TESTS_QCOW2_IMAGE_PARTS_H

#include "block/qcow2/mapping.h"
#include "tests/qcow2/memory-host.h"

namespace qcow2 {

class ImageParts {
public:
  static constexpr std::uint64_t first_free = 4;

  explicit ImageParts(unsigned cluster_bits = 12, unsigned refcount_order = 4,
                      std::size_t l2_tables_at_once = 1)
      : header(make_header(cluster_bits, refcount_order)),
        host("image-parts", make_file(header)),
        refcounts(host.file, 1 << 20, header),
        allocator(
            host.file, refcounts, header.cluster_size(),
            [this](HostOffset offset, std::uint32_t clusters) {
              tables_stored.emplace_back(offset, clusters);
              return Result<void>();
            },
            ReturnedSpace{.of_requests = true, .of_others = true}),
        l2_tables(host.file, header.cluster_size().bytes(), 1 << 20, block::DebugEvent::l2_load),
        mapping(host.file, l2_tables, allocator, header.cluster_size(), l2_tables_at_once) {
    EXPECT_TRUE(succeeded(refcounts.load(header)));
    for (std::uint64_t cluster = 0; cluster < first_free; ++cluster)
      EXPECT_TRUE(succeeded(refcounts.set(HostCluster(cluster), 1)));
    allocator.metadata().add(HostCluster(0), first_free);
    EXPECT_TRUE(succeeded(mapping.load(header.l1_offset, header.l1_entries, header.guest_size)));
  }

  std::uint64_t cluster_bytes() const { return header.cluster_size().bytes(); }
  // The stored count, as memory has it.
  std::uint64_t stored(std::uint64_t cluster) {
    Result<std::uint64_t> count = refcounts.get(HostCluster(cluster));
    EXPECT_TRUE(succeeded(count));
    return count ? *count : 0;
  }
  std::uint64_t file64(std::uint64_t offset) const {
    return block::load_big_endian<std::uint64_t>(host.memory->read(offset, 8).data());
  }

  Header header;
  MemoryHost host;
  Refcounts refcounts;
  std::vector<std::pair<HostOffset, std::uint32_t>> tables_stored;
  Allocator allocator;
  TableCache l2_tables;
  Mapping mapping;

private:
  static Header make_header(unsigned cluster_bits, unsigned refcount_order) {
    Header header;
    header.cluster_bits = cluster_bits;
    header.refcount_order = refcount_order;
    std::uint64_t cluster = header.cluster_size().bytes();
    header.refcount_table_offset = HostOffset(cluster);
    header.refcount_table_clusters = 1;
    header.l1_offset = HostOffset(3 * cluster);
    header.l1_entries = 4;
    header.guest_size = 4 * (cluster / table_entry_bytes) * cluster;
    return header;
  }
  static std::vector<std::byte> make_file(const Header& header) {
    std::uint64_t cluster = header.cluster_size().bytes();
    std::vector<std::byte> content(first_free * cluster);
    block::store_big_endian<std::uint64_t>(&content[cluster], 2 * cluster);
    return content;
  }
};

} // namespace qcow2

#endif
