// Disk: its root, and growing it.
#include "block/qcow2/disk.h"

#include <algorithm>

namespace qcow2 {

using block::RangeLock;

Disk::Disk(Image& image_, Root& root_, const block::Node& node)
    : image(image_), root(root_), node_(node) {}

Result<void> Disk::load() {
  auto metadata = image.lock();
  BLOCK_TRY(root.load(metadata));
  if (!node_.read_only())
    if (Result<void> sound = mapping(metadata).check_l1(); !sound)
      return std::move(sound).error().with_hint(
          "It can still be opened read-only; what the L2 table maps cannot be read. 'dedup-img "
          "convert --salvage' copies the rest.");
  guest_size_ = mapping(metadata).guest_size();
  return {};
}

Result<void> Disk::settle_copied_flags() {
  RangeLock::Guard alone(requests, 0, UINT64_MAX, RangeLock::Mode::exclusive);
  std::uint64_t clusters = cluster_size().clusters_for(guest_size());
  std::uint64_t per_l2 = cluster_size().bytes() / table_entry_bytes;
  std::uint64_t mapped = 0;
  {
    auto metadata = image.lock();
    if (metadata->allocator().single_owners().empty()) return {};
    mapped = mapping(metadata).l1().size() * per_l2;
  }
  // The last owner may be an entry beyond the disk's end, which only another program can have
  // written.
  for (std::uint64_t first = 0; first < mapped;) {
    const bool beyond_disk = first >= clusters;
    std::uint64_t count = per_l2 - first % per_l2;
    if (!beyond_disk) count = std::min(count, clusters - first);
    BLOCK_TRY(image.begin_change());
    auto metadata = image.lock();
    Result<void> settled = settle_copied_flags(metadata, GuestCluster(first), count);
    // The guest does not need entries beyond the disk, so damage there is left to a check. If the
    // table of an owner cannot be read now, the next opener has to set the flag.
    if (!settled && !beyond_disk) {
      if (settled.error().kind() == ErrorKind::corrupt) return settled;
      metadata->leave_dirty();
    }
    metadata->trim_caches();
    first += count;
  }
  return {};
}

Result<void> Disk::settle_copied_flags(Metadata& metadata, GuestCluster first,
                                       std::uint64_t clusters) {
  Mapping& mapping = this->mapping(metadata);
  ClusterSet& single_owners = metadata.allocator().single_owners();
  for (std::uint64_t done = 0; done < clusters;) {
    Result<MappedRange> found = mapping.range(cluster_size().start(first + done),
                                              (clusters - done) << cluster_size().bits());
    if (!found && found.error().kind() == block::ErrorKind::unsupported) {
      ++done; // a compressed cluster, whose entry never carries COPIED
      continue;
    }
    BLOCK_TRY_ASSIGN(MappedRange range, std::move(found));
    const std::uint64_t in_range = range.bytes >> cluster_size().bits();
    // A zero entry may keep a cluster, too: stock QEMU writes such entries for shared clusters.
    for (std::uint64_t i = 0; range.host && i < in_range; ++i) {
      GuestCluster guest = first + (done + i);
      HostCluster host = cluster_size().containing(*range.host) + i;
      BLOCK_TRY_ASSIGN(L2Entry entry, mapping.entry(guest));
      if (entry.copied() || !single_owners.contains(host)) continue;
      BLOCK_TRY_ASSIGN(std::uint64_t references, metadata.allocator().references(host));
      if (references != 1) continue;
      BLOCK_TRY(mapping.set_entry(guest, entry.with_copied(true)));
      single_owners.remove(host);
      if (ContentEvents* events = metadata.content_events())
        events->became_only_owner(metadata, {root, guest}, host);
    }
    done += in_range;
  }
  return {};
}

Result<std::optional<Disk::NewL1>> Disk::allocate_l1_for(std::uint64_t bytes) {
  auto metadata = image.lock();
  NewL1 l1;
  l1.entries = l1_entries_for(bytes, cluster_size());
  if (l1.entries * table_entry_bytes > max_l1_bytes)
    return Error(ErrorKind::invalid_argument, EFBIG,
                 "the disk is too large for this cluster size: its L1 table would be larger "
                 "than 32 MiB");
  if (l1.entries <= mapping(metadata).l1().size()) return std::optional<NewL1>();
  image.file().event(block::DebugEvent::l1_grow_alloc_table);
  l1.clusters = cluster_size().clusters_for(l1.entries * table_entry_bytes);
  BLOCK_TRY_ASSIGN(l1.place, metadata->allocator().allocate_metadata(l1.clusters));
  return std::optional(l1);
}

Result<void> Disk::store_size(Metadata& metadata, std::uint64_t bytes,
                              const std::optional<NewL1>& l1) {
  PointerTable& table = mapping(metadata).l1();
  Root::Record record = root.record(metadata);
  record.guest_size = bytes;
  if (l1) {
    record.l1_offset = cluster_size().start(l1->place);
    record.l1_entries = static_cast<std::uint32_t>(l1->entries);
    image.file().event(block::DebugEvent::l1_grow_write_table);
    Result<void> written =
        image.file().write(record.l1_offset, table.encode(l1->clusters << cluster_size().bits()));
    if (written) written = image.file().barrier();
    if (!written) {
      BLOCK_TRY(metadata.allocator().release_unused(l1->place, l1->clusters));
      return std::move(written).error().context("resizing");
    }
  }
  if (l1) image.file().event(block::DebugEvent::l1_grow_activate_table);
  if (Result<void> stored = root.store(metadata, record); !stored)
    return std::move(stored).error().context("resizing");
  mapping(metadata).set_guest_size(bytes);
  guest_size_ = bytes;
  if (!l1) return {};
  HostOffset old_l1 = table.place();
  std::uint64_t old_bytes = table.bytes();
  table.install(l1->entries, record.l1_offset);
  return metadata.allocator().drop_references(cluster_size().containing(old_l1),
                                              cluster_size().clusters_for(old_bytes));
}

Result<void> Disk::grow(std::uint64_t bytes) {
  RangeLock::Guard alone(requests, 0, UINT64_MAX, RangeLock::Mode::exclusive);
  std::uint64_t old_size = guest_size();
  if (bytes < old_size)
    return Error(ErrorKind::unsupported, "qcow2 images cannot be made smaller yet");
  if (bytes == old_size) return {};
  // The last cluster may hold bytes of a former, larger content, and the backing file may have
  // content there. Neither may become visible.
  std::uint64_t backing_end = 0;
  if (backing()) {
    BLOCK_TRY_ASSIGN(backing_end, backing()->co_get_length());
  }
  std::uint64_t cluster_end = cluster_size().clusters_for(old_size) << cluster_size().bits();
  std::uint64_t stale_end = std::min(std::max(cluster_end, backing_end), bytes);
  BLOCK_TRY(image.begin_change());
  if (stale_end > old_size) {
    // The zeros must be stored before the size that exposes the range, so the L1 table grows before
    // the size.
    BLOCK_TRY(set_size(old_size, bytes));
    BLOCK_TRY(write_zeroes_taken(*this, GuestOffset(old_size), stale_end - old_size, true));
  }
  return set_size(bytes, bytes);
}

Result<void> Disk::set_size(std::uint64_t bytes, std::uint64_t reach) {
  BLOCK_TRY_ASSIGN(std::optional<NewL1> l1, allocate_l1_for(reach));
  // The header may name the new L1 table only after its refcount is durable. Otherwise the next
  // opener after a crash would treat its clusters as free. The flush also stores every change of
  // the present table before the table is copied.
  Result<void> flushed = image.flush();
  auto metadata = image.lock();
  if (!flushed) {
    if (l1) BLOCK_TRY(metadata->allocator().release_unused(l1->place, l1->clusters));
    return flushed;
  }
  return store_size(metadata, bytes, l1);
}

} // namespace qcow2
