// Creation: writes three clusters directly, then opens the image and grows it like any other.
#include "block/qcow2/create.h"

#include "block/qcow2/disk.h"

namespace qcow2 {

Result<void> create_empty(block::Node& file, Header header) {
  ClusterSize size = header.cluster_size();
  std::uint64_t guest_size = std::exchange(header.guest_size, 0);
  header.l1_entries = 0;
  header.l1_offset = HostOffset(0);
  header.refcount_table_offset = size.start(HostCluster(1));
  header.refcount_table_clusters = 1;
  HostOffset first_block = size.start(HostCluster(2));

  BLOCK_TRY_ASSIGN(std::vector<std::byte> first_cluster, header.encode());
  std::vector<std::byte> tables(2 * size.bytes());
  block::store_big_endian(tables.data(), first_block.value());
  HostFile host(file);
  BLOCK_TRY(host.write(HostOffset(0), first_cluster));
  BLOCK_TRY(host.write(header.refcount_table_offset, tables));

  Image image(host, header, {});
  Root* root = nullptr;
  {
    auto metadata = image.lock();
    BLOCK_TRY(metadata->load_header());
    BLOCK_TRY(metadata->load_refcounts());
    for (std::uint64_t cluster = 0; cluster < 3; ++cluster)
      BLOCK_TRY(metadata->refcounts().set(HostCluster(cluster), 1));
    root = &metadata->add_root(std::make_unique<HeaderRoot>(metadata));
  }
  Disk disk(image, *root, file);
  BLOCK_TRY(disk.load());
  BLOCK_TRY(image.lock()->enter_all());
  BLOCK_TRY(disk.grow(guest_size));
  BLOCK_TRY(image.begin_change());
  BLOCK_TRY(image.close());
  return host.barrier();
}

} // namespace qcow2
