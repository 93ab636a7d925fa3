// Metadata: storing the header, and the set of clusters that hold metadata.
#include "block/qcow2/metadata.h"

#include "block/sector.h"

#include <algorithm>

namespace qcow2 {

Metadata::Metadata(HostFile& file, Header header, const ImageSettings& settings)
    : file_(file),
      cluster_size_(header.cluster_size()),
      l2_tables_at_once_(settings.l2_tables_at_once),
      header_(std::move(header)),
      refcounts_(file, settings.refcount_cache_bytes, header_),
      allocator_(
          file, refcounts_, cluster_size_,
          [this](HostOffset offset, std::uint32_t clusters) {
            Header wanted = header_;
            wanted.refcount_table_offset = offset;
            wanted.refcount_table_clusters = clusters;
            // The new table names blocks whose own refcounts may be only in memory. After a crash
            // these blocks would be allocated as free. With the dirty bit set, the next opener
            // rebuilds all refcounts. This case is rare enough to leave the bit set until the
            // close.
            wanted.incompatible_features |= bit(incompatible::dirty_bit);
            return store_header(std::move(wanted));
          },
          settings.returned_space),
      l2_tables_(file, cluster_size_.bytes(), settings.l2_cache_bytes, block::DebugEvent::l2_load) {
  allocator_.set_on_allocated([this](HostCluster first, std::uint64_t clusters) {
    if (content_events_) content_events_->clusters_allocated(*this, first, clusters);
  });
}

Result<void> Metadata::load_header() {
  stored_header_.resize(cluster_size_.bytes());
  return file_.read(HostOffset(0), std::span(stored_header_));
}

Root& Metadata::add_root(std::unique_ptr<Root> root) {
  return *roots_.emplace_back(std::move(root));
}

// If two structures shared a cluster, the next write of one would destroy the other.
Result<void> Metadata::enter(HostOffset offset, std::uint64_t bytes) {
  if (bytes == 0) return {};
  HostCluster first = cluster_size_.containing(offset);
  std::uint64_t clusters = cluster_size_.clusters_for(bytes);
  if (!allocator_.metadata().contains_any(first, clusters)) {
    allocator_.metadata().add(first, clusters);
    return {};
  }
  return Error(ErrorKind::corrupt, "metadata overlaps at or after host cluster " +
                                       std::to_string(first.value()) +
                                       "; the image cannot be written to")
      .with_hint("Run 'dedup-img check' on the image; it can still be opened read-only.");
}

Result<void> Metadata::enter_all() {
  std::uint64_t cluster = cluster_size_.bytes();
  BLOCK_TRY(enter(HostOffset(0), cluster));
  BLOCK_TRY(enter(header_.refcount_table_offset, header_.refcount_table_clusters * cluster));
  for (HostOffset block : refcounts_.block_places())
    BLOCK_TRY(enter(block, cluster));
  for (const auto& root : roots_) {
    Mapping& mapping = root->mapping(*this);
    BLOCK_TRY(enter(mapping.l1().place(), mapping.l1().bytes()));
    for (HostOffset table : mapping.l2_tables())
      BLOCK_TRY(enter(table, cluster));
  }
  return {};
}

std::uint64_t Metadata::clusters() {
  std::uint64_t clusters = 1 + header_.refcount_table_clusters + refcounts_.block_places().size();
  for (const auto& root : roots_) {
    Mapping& mapping = root->mapping(*this);
    clusters += cluster_size_.clusters_for(mapping.l1().bytes()) + mapping.l2_tables().size();
  }
  return clusters;
}

void Metadata::keep_unknown_clusters() {
  leave_dirty();
  allocator_.keep_all_below(HostCluster(cluster_size_.clusters_for(file_.end().value())));
}

Result<void> Metadata::store_header() {
  BLOCK_TRY_ASSIGN(std::vector<std::byte> bytes, header_.encode_over(stored_header_));
  using block::sector_bytes;
  auto first = std::mismatch(bytes.begin(), bytes.end(), stored_header_.begin()).first;
  auto last = std::mismatch(bytes.rbegin(), bytes.rend(), stored_header_.rbegin()).first;
  bool changed = first != bytes.end();
  if (!changed && header_doubt_end_ == 0) return {};
  std::size_t begin =
      changed ? static_cast<std::size_t>(first - bytes.begin()) / sector_bytes * sector_bytes : 0;
  std::size_t end = changed ? (static_cast<std::size_t>(bytes.rend() - last) + sector_bytes - 1) /
                                  sector_bytes * sector_bytes
                            : 0;
  if (header_doubt_end_ > 0) begin = 0;
  end = std::max(end, header_doubt_end_);
  Result<void> written =
      file_.write(HostOffset(begin), std::span(bytes).subspan(begin, end - begin));
  if (written) written = file_.barrier();
  if (!written) {
    header_doubt_end_ = end;
    return std::move(written).error().context("image header");
  }
  header_doubt_end_ = 0;
  stored_header_ = std::move(bytes);
  return {};
}

Result<void> Metadata::store_header(Header wanted) {
  Header former = std::exchange(header_, std::move(wanted));
  Result<void> stored = store_header();
  if (!stored) header_ = std::move(former);
  return stored;
}

void Metadata::trim_caches() {
  l2_tables_.trim();
  refcounts_.blocks().trim();
}

} // namespace qcow2
