// The plain write path: overwrites in place a cluster that only this disk refers to, and otherwise
// writes newly allocated clusters.
#include "block/qcow2/disk.h"

#include <algorithm>

namespace qcow2 {
namespace {

// The host cluster for one guest cluster of a request.
struct Target {
  L2Entry old;
  HostOffset host;
  bool fresh = false; // allocated for this request
  bool link = false;  // the L2 entry changes once the data is written
};

// Requests are processed in pieces of at most this many bytes, or one cluster, which bounds memory
// and lock time.
constexpr std::uint64_t piece_bytes = 4u << 20;

// Returns the length of the run of clusters from `first` on that need allocation.
std::size_t run_to_allocate(const std::vector<Target>& targets, std::size_t first) {
  std::size_t end = first;
  while (end < targets.size() && targets[end].fresh)
    ++end;
  return end - first;
}

Result<void> release(Disk& disk, const std::vector<Target>& targets) {
  auto metadata = disk.image.lock();
  for (const Target& target : targets)
    if (target.fresh && target.host.value() != 0)
      BLOCK_TRY(
          metadata->allocator().release_unused(disk.cluster_size().containing(target.host), 1));
  return {};
}

Result<void> choose_targets(Disk& disk, ClusterRange range, std::vector<Target>& targets) {
  ClusterSize size = disk.cluster_size();
  auto metadata = disk.image.lock();
  Mapping& mapping = disk.mapping(metadata);
  ContentEvents* events = metadata->content_events();
  if (events) events->data_written(metadata);
  BLOCK_TRY(mapping.prepare(range.first, range.count()));
  for (GuestCluster cluster = range.first; cluster < range.end; ++cluster) {
    BLOCK_TRY_ASSIGN(L2Entry old, mapping.entry(cluster));
    Target target{old, HostOffset(), false, false};
    if (old.copied() && old.host_offset()) {
      target.host = *old.host_offset();
      BLOCK_TRY(metadata->allocator().check_data_place(size.containing(target.host)));
      target.link = !old.is_data(); // a zero entry that kept its cluster
      if (events) events->content_changes(metadata, size.containing(target.host));
    } else {
      target.fresh = target.link = true;
    }
    targets.push_back(target);
  }
  for (std::size_t first = 0; first < targets.size();) {
    std::size_t clusters = run_to_allocate(targets, first);
    if (clusters == 0) {
      ++first;
      continue;
    }
    BLOCK_TRY_ASSIGN(HostCluster place, metadata->allocator().allocate(clusters));
    for (std::size_t i = 0; i < clusters; ++i)
      targets[first + i].host = size.start(place + i);
    first += clusters;
  }
  metadata->trim_caches();
  return {};
}

// Adds the bytes to write for one cluster: a part of the request, or the whole cluster if it is
// new.
Result<void> add_cluster_write(Disk& disk, GuestCluster cluster, const Target& target,
                               GuestOffset offset, const IoVector& vector,
                               std::vector<block::AlignedBuffer>& joined,
                               std::vector<DataWrite>& writes) {
  ClusterSize size = disk.cluster_size();
  GuestOffset begin = std::max(offset, size.start(cluster));
  GuestOffset end = std::min(offset + vector.size(), size.start(cluster) + size.bytes());
  if (!target.link || end - begin == size.bytes()) {
    writes.push_back({target.host + size.within(begin), vector.slice(begin - offset, end - begin)});
    return {};
  }
  block::AlignedBuffer& whole = joined.emplace_back(size.bytes());
  BLOCK_TRY(read_and_join(disk, cluster, offset, vector, whole.span()));
  writes.push_back({target.host, IoVector(whole.data(), whole.size())});
  return {};
}

Result<void> link(Disk& disk, GuestCluster first, const std::vector<Target>& targets) {
  auto metadata = disk.image.lock();
  for (std::size_t i = 0; i < targets.size(); ++i) {
    const Target& target = targets[i];
    if (!target.link) continue;
    BLOCK_TRY(replace_entry(metadata, disk, first + i, L2Entry::data(target.host, true)));
  }
  if (ContentEvents* events = metadata->content_events()) events->data_written(metadata);
  metadata->trim_caches();
  return {};
}

Result<void> write_piece(Disk& disk, GuestOffset offset, const IoVector& vector) {
  BLOCK_TRY(disk.image.begin_change());
  ClusterRange range = ClusterRange::touched(disk.cluster_size(), offset, vector.size());
  std::vector<Target> targets;
  std::vector<block::AlignedBuffer> joined;
  std::vector<DataWrite> writes;
  Result<void> done = choose_targets(disk, range, targets);
  for (std::size_t i = 0; done && i < targets.size(); ++i)
    done = add_cluster_write(disk, range.first + i, targets[i], offset, vector, joined, writes);
  if (done) done = disk.image.data().write(std::move(writes));
  if (!done) {
    BLOCK_TRY(release(disk, targets));
    return done;
  }
  return link(disk, range.first, targets);
}

} // namespace

Result<void> replace_entry(Metadata& metadata, Disk& disk, GuestCluster guest, L2Entry entry,
                           DropCause cause) {
  Allocator& allocator = metadata.allocator();
  Mapping& mapping = disk.mapping(metadata);
  BLOCK_TRY_ASSIGN(L2Entry old, mapping.entry(guest));
  if (old.host_offset() == entry.host_offset()) return mapping.set_entry(guest, entry);
  std::optional<HostCluster> dropped;
  std::uint64_t references = 0;
  if (old.host_offset()) {
    // Everything that can fail comes before the entry changes, so that nothing has changed after an
    // error.
    dropped = disk.cluster_size().containing(*old.host_offset());
    BLOCK_TRY(allocator.check_data_place(*dropped));
    BLOCK_TRY_ASSIGN(references, allocator.references(*dropped));
    if (references == 0)
      return Error(ErrorKind::corrupt, "host cluster " + std::to_string(dropped->value()) +
                                           " is in use but its refcount is 0")
          .with_hint("Run 'dedup-img check -r all' on the image while nobody uses it.");
  }
  BLOCK_TRY(mapping.set_entry(guest, entry));
  ContentEvents* events = metadata.content_events();
  if (events && entry.host_offset())
    events->reference_added(metadata, disk.cluster_size().containing(*entry.host_offset()),
                            entry.copied());
  if (!dropped) return {};
  allocator.note_dropped(*dropped, references - 1, cause);
  if (events) events->reference_dropped(metadata, {disk.root, guest}, *dropped, references - 1);
  return {};
}

Result<void> write_taken(Disk& disk, GuestOffset offset, const IoVector& vector) {
  ClusterSize size = disk.cluster_size();
  std::uint64_t most = std::max(piece_bytes, size.bytes());
  for (std::uint64_t done = 0; done < vector.size();) {
    GuestOffset at = offset + done;
    std::uint64_t bytes = std::min(most - size.within(at), vector.size() - done);
    BLOCK_TRY(write_piece(disk, at, vector.slice(done, bytes)));
    done += bytes;
  }
  return {};
}

Result<void> write(Disk& disk, GuestOffset offset, const IoVector& vector) {
  ClusterRange range = ClusterRange::touched(disk.cluster_size(), offset, vector.size());
  block::RangeLock::Guard taken(disk.requests, range.first.value(), range.end.value(),
                                block::RangeLock::Mode::exclusive);
  return write_taken(disk, offset, vector);
}

} // namespace qcow2
