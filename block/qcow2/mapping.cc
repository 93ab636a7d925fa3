// Lookups and changes in L1 and L2 tables.
#include "block/qcow2/mapping.h"

#include <algorithm>

namespace qcow2 {

Mapping::Mapping(HostFile& file, TableCache& l2_tables, Allocator& allocator,
                 ClusterSize cluster_size, std::size_t tables_at_once)
    : file_(file),
      l2_tables_(l2_tables),
      allocator_(allocator),
      cluster_size_(cluster_size),
      tables_at_once_(tables_at_once) {}

Result<void> Mapping::load(HostOffset l1_offset, std::uint32_t l1_entries,
                           std::uint64_t guest_size) {
  guest_size_ = guest_size;
  if (Result<void> loaded = l1_.load(file_, l1_offset, l1_entries); !loaded)
    return std::move(loaded).error().context("L1 table");
  return {};
}

Result<void> Mapping::check_l1() const {
  for (std::size_t i = 0; i < l1_.size(); ++i)
    if (!names_a_table(i)) return bad_l1_entry(i);
  return {};
}

bool Mapping::names_a_table(std::size_t index) const {
  HostOffset table(l1_[index] & offset_mask);
  return (l1_[index] & l1_reserved_mask) == 0 && cluster_size_.aligned(table) &&
         table < file_.end();
}

Error Mapping::bad_l1_entry(std::size_t index) {
  return Error(ErrorKind::corrupt, "L1 entry " + std::to_string(index) +
                                       " does not name an L2 table within the image file");
}

template <typename Holds>
std::pair<std::size_t, std::size_t> Mapping::group(std::size_t index, Holds holds) const {
  std::size_t begin = index / tables_at_once_ * tables_at_once_;
  std::size_t end = std::min(begin + tables_at_once_, l1_.size());
  std::size_t first = index, last = index + 1;
  while (first > begin && holds(first - 1))
    --first;
  while (last < end && holds(last))
    ++last;
  return {first, last - first};
}

Result<Table*> Mapping::l2_table(GuestCluster cluster) {
  std::size_t index = l1_index(cluster);
  HostOffset place(l1_[index] & offset_mask);
  if (!names_a_table(index)) return bad_l1_entry(index);
  if (place == HostOffset()) return nullptr;
  if (tables_at_once_ > 1 && !l2_tables_.find(place)) read_ahead(index);
  auto table = l2_tables_.get(place);
  if (!table) return std::move(table).error().context("L2 table");
  return table;
}

void Mapping::read_ahead(std::size_t index) {
  auto place = [&](std::size_t entry) { return HostOffset(l1_[entry] & offset_mask); };
  auto [first, count] = group(index, [&](std::size_t entry) {
    return place(entry) + index * cluster_size_.bytes() ==
           place(index) + entry * cluster_size_.bytes();
  });
  l2_tables_.read_ahead(place(first), count);
}

// Writes zeros to the file before the L1 entries can point there; a write-back sets a barrier in
// between.
Result<void> Mapping::create_tables(std::size_t first, std::size_t count) {
  BLOCK_TRY_ASSIGN(HostCluster place, allocator_.allocate_metadata(count));
  const HostOffset offset = cluster_size_.start(place);
  file_.event(block::DebugEvent::l2_alloc_write);
  block::AlignedBuffer zeros(count << cluster_size_.bits());
  std::fill_n(zeros.data(), zeros.size(), std::byte{0});
  if (Result<void> written = file_.write(offset, std::as_const(zeros).span()); !written) {
    BLOCK_TRY(allocator_.release_unused(place, count));
    return std::move(written).error().context("new L2 table");
  }
  for (std::size_t i = 0; i < count; ++i) {
    HostOffset table = cluster_size_.start(place + i);
    l2_tables_.create_stored(table);
    l1_.set(first + i, table.value() | copied_flag);
  }
  return {};
}

Result<Table*> Mapping::l2_table_for_writing(GuestCluster cluster) {
  std::size_t index = l1_index(cluster);
  if ((l1_[index] & offset_mask) == 0) {
    auto [first, count] =
        group(index, [&](std::size_t other) { return (l1_[other] & offset_mask) == 0; });
    Result<void> created = create_tables(first, count);
    // A full disk may still have room for one table.
    if (!created && created.error().kind() == ErrorKind::no_space && count > 1)
      created = create_tables(index, 1);
    BLOCK_TRY(std::move(created));
  }
  if ((l1_[index] & copied_flag) == 0) {
    BLOCK_TRY_ASSIGN(std::uint64_t references, allocator_.references(cluster_size_.containing(
                                                   HostOffset(l1_[index] & offset_mask))));
    if (references != 1)
      return Error(ErrorKind::unsupported, "L2 tables that are shared cannot be changed yet");
    l1_.set(index, l1_[index] | copied_flag);
  }
  return l2_table(cluster);
}

bool Mapping::is_sound(L2Entry entry) const {
  if (entry.compressed() || (entry.raw() & l2_reserved_mask) != 0) return false;
  std::optional<HostOffset> host = entry.host_offset();
  return !host || (cluster_size_.aligned(*host) && *host < file_.end());
}

Error Mapping::bad_l2_entry(GuestCluster cluster, L2Entry entry) const {
  const std::string guest =
      " (guest offset " + std::to_string(cluster_size_.start(cluster).value()) + ")";
  if (entry.compressed())
    return Error(ErrorKind::unsupported, "Compressed clusters are not supported yet" + guest);
  return Error(ErrorKind::corrupt, "L2 entry does not name a cluster of the image file" + guest)
      .with_hint("Run 'dedup-img check' on the image.");
}

Result<L2Entry> Mapping::entry(GuestCluster cluster) {
  BLOCK_TRY_ASSIGN(Table * table, l2_table(cluster));
  if (!table) return L2Entry();
  L2Entry found(table->entry(l2_index(cluster)));
  if (!is_sound(found)) return bad_l2_entry(cluster, found);
  std::optional<HostOffset> host = found.host_offset();
  if (host && allocator_.may_have_unknown_owners(cluster_size_.containing(*host)))
    return found.with_copied(false);
  return found;
}

Result<MappedRange> Mapping::range(GuestOffset offset, std::uint64_t bytes) {
  const GuestCluster first = cluster_size_.containing(offset);
  const std::uint64_t within = cluster_size_.within(offset);
  const std::size_t index = l2_index(first);
  const std::uint64_t most =
      std::min(cluster_size_.clusters_for(within + bytes), entries_per_l2() - index);
  BLOCK_TRY_ASSIGN(Table * table, l2_table(first));
  if (!table)
    return MappedRange::of(L2Entry(), 0, std::min((most << cluster_size_.bits()) - within, bytes));
  const L2Entry entry(table->entry(index));
  if (!is_sound(entry)) return bad_l2_entry(first, entry);
  std::uint64_t clusters = 1;
  for (; clusters < most; ++clusters) {
    L2Entry next(table->entry(index + clusters));
    if (!next.continues(entry, clusters << cluster_size_.bits()) || !is_sound(next)) break;
  }
  return MappedRange::of(entry, within,
                         std::min((clusters << cluster_size_.bits()) - within, bytes));
}

Result<void> Mapping::set_entry(GuestCluster cluster, L2Entry entry) {
  BLOCK_TRY_ASSIGN(Table * table, l2_table_for_writing(cluster));
  table->set_entry(l2_index(cluster), entry.raw());
  return {};
}

Result<void> Mapping::prepare(GuestCluster first, std::uint64_t clusters) {
  for (GuestCluster cluster = first; cluster < first + clusters;
       cluster += entries_per_l2() - l2_index(cluster))
    BLOCK_TRY(l2_table_for_writing(cluster));
  return {};
}

Result<bool> Mapping::clear_copied(GuestCluster cluster, HostCluster expected) {
  if (cluster.value() >= guest_clusters()) return false;
  BLOCK_TRY_ASSIGN(Table * table, l2_table(cluster));
  if (!table) return false;
  L2Entry found(table->entry(l2_index(cluster)));
  if (!found.host_offset() || *found.host_offset() != cluster_size_.start(expected)) return false;
  if (found.copied()) table->set_entry(l2_index(cluster), found.with_copied(false).raw());
  return true;
}

std::vector<HostOffset> Mapping::l2_tables() const {
  std::vector<HostOffset> tables;
  for (std::uint64_t raw : l1_.entries())
    if ((raw & offset_mask) != 0) tables.push_back(HostOffset(raw & offset_mask));
  return tables;
}

} // namespace qcow2
