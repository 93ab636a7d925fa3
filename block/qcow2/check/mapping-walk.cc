// The two passes over L1 and L2 tables.
#include "block/qcow2/check/mapping-walk.h"

#include "block/endian.h"
#include "block/sector.h"

#include <algorithm>
#include <cinttypes>

namespace qcow2 {
namespace {

using block::load_big_endian;
using block::store_big_endian;

constexpr std::size_t l1_page_entries = 64; // one sector

// Host offset and size of a compressed cluster (section "Compressed Clusters Descriptor").
struct CompressedPlace {
  HostOffset offset;
  std::uint64_t bytes;
};

CompressedPlace compressed_place(L2Entry entry, unsigned cluster_bits) {
  unsigned offset_bits = 62 - (cluster_bits - 8);
  HostOffset offset(entry.raw() & (bit(offset_bits) - 1));
  std::uint64_t more_sectors = (entry.raw() >> offset_bits) & (bit(cluster_bits - 8) - 1);
  return {offset, (more_sectors + 1) * block::sector_bytes - offset.value() % block::sector_bytes};
}

// Returns whether every entry is well-formed. A damaged L1 entry may name data instead of a table.
// The data fails this test, and must not be changed.
bool well_formed(std::span<const std::byte> table) {
  for (std::size_t at = 0; at < table.size(); at += table_entry_bytes) {
    L2Entry entry(load_big_endian<std::uint64_t>(&table[at]));
    if (!entry.compressed() && (entry.raw() & l2_reserved_mask) != 0) return false;
  }
  return true;
}

} // namespace

MappingWalk::MappingWalk(HostFile& file, const Header& header, References& references,
                         CheckFindings& findings)
    : file_(file),
      header_(header),
      references_(references),
      findings_(findings),
      cluster_size_(header.cluster_size()),
      reader_(file, cluster_size_.bytes()) {}

Result<void> MappingWalk::load() {
  l1_.resize(header_.l1_entries);
  auto raw = std::as_writable_bytes(std::span(l1_));
  if (!l1_.empty())
    if (Result<void> done = file_.read(header_.l1_offset, raw); !done)
      return std::move(done).error().context("L1 table");
  for (std::uint64_t& entry : l1_)
    entry = load_big_endian<std::uint64_t>(reinterpret_cast<const std::byte*>(&entry));
  changed_l1_pages_.assign((l1_.size() + l1_page_entries - 1) / l1_page_entries, false);
  return {};
}

HostOffset MappingWalk::table_offset(std::size_t l1_index) const {
  return HostOffset(l1_[l1_index] & offset_mask);
}

GuestOffset MappingWalk::guest_start(std::size_t l1_index) const {
  return cluster_size_.start(GuestCluster(l1_index * (cluster_size_.bytes() / table_entry_bytes)));
}

Result<void>
MappingWalk::for_each_table(const CheckStep& step,
                            const std::function<void(std::size_t l1_index)>& visit_entry,
                            const VisitTable& visit_table) {
  auto readable = [&](HostOffset table) {
    return table.value() != 0 && cluster_size_.aligned(table) &&
           table.value() < references_.file_bytes();
  };
  ClusterCounts times;
  for (std::size_t index = 0; index < l1_.size(); ++index)
    if (readable(table_offset(index))) times.add(cluster_size_.containing(table_offset(index)));
  for (std::size_t index = 0; index < l1_.size(); ++index) {
    HostOffset table = table_offset(index);
    if (l1_[index] != 0) visit_entry(index);
    if (readable(table)) {
      HostCluster cluster = cluster_size_.containing(table);
      if (std::uint64_t remaining = times.get(cluster); remaining != 0)
        BLOCK_TRY(visit_table(index, table, remaining));
      times.set(cluster, 0);
    }
    if (step) step();
  }
  return {};
}

void MappingWalk::check_l1_entry(std::size_t l1_index) {
  if (l1_[l1_index] & l1_reserved_mask & ~offset_mask)
    findings_.corruption(
        format_line("ERROR found L1 entry with reserved bits set: %" PRIx64, l1_[l1_index]));
  HostOffset table = table_offset(l1_index);
  if (table.value() == 0) return;
  references_.add(table, cluster_size_.bytes(), ClusterUse::metadata, 1, findings_);
  if (table.value() >= references_.file_bytes()) references_.set_incomplete();
  if (!cluster_size_.aligned(table)) {
    references_.set_incomplete();
    findings_.corruption(format_line("ERROR l2_offset=%" PRIx64
                                     ": Table is not cluster aligned; L1 entry corrupted",
                                     table.value()));
  }
}

Result<void> MappingWalk::count(const CheckStep& step) {
  references_.add(header_.l1_offset, header_.l1_bytes(), ClusterUse::metadata, 1, findings_);
  return for_each_table(
      step, [&](std::size_t index) { check_l1_entry(index); },
      [&](std::size_t index, HostOffset table, std::uint64_t times) {
        return count_table(index, table, times);
      });
}

void MappingWalk::count_compressed(L2Entry entry, std::uint64_t times) {
  CompressedPlace place = compressed_place(entry, header_.cluster_bits);
  if (entry.copied())
    findings_.corruption(format_line("ERROR: coffset=0x%" PRIx64
                                     ": copied flag must never be set for compressed clusters",
                                     entry.raw() & offset_mask));
  references_.add(place.offset, place.bytes, ClusterUse::data, times, findings_);
  findings_.report().allocated_clusters += times;
  findings_.report().compressed_clusters += times;
  findings_.report().fragmented_clusters += times; // its data may begin at any byte
}

Result<void> MappingWalk::count_table(std::size_t l1_index, HostOffset table, std::uint64_t times) {
  Result<std::span<std::byte>> read = reader_.read(table);
  if (!read) {
    references_.set_incomplete();
    findings_.failure(format_line("ERROR: L2 table of guest offset 0x%" PRIx64 ": %s; the %" PRIu64
                                  " bytes from there on cannot be read",
                                  guest_start(l1_index).value(), read.error().message().c_str(),
                                  guest_start(1).value()));
    return {};
  }
  std::span<std::byte> bytes = read.value();
  bool may_repair = findings_.repairs_errors() && well_formed(bytes);
  std::optional<HostOffset> contiguous; // where the next cluster is if it follows the last one
  for (std::size_t at = 0; at < bytes.size(); at += table_entry_bytes) {
    L2Entry entry(load_big_endian<std::uint64_t>(&bytes[at]));
    if (entry.raw() == 0) continue;
    if (entry.compressed()) {
      count_compressed(entry, times);
      continue;
    }
    if (entry.raw() & l2_reserved_mask)
      findings_.corruption(
          format_line("ERROR found l2 entry with reserved bits set: %" PRIx64, entry.raw()));
    std::optional<HostOffset> host = entry.host_offset();
    if (!host) continue;
    if (!cluster_size_.aligned(*host)) {
      bool repair = entry.reads_as_zeros() && may_repair;
      std::string line = format_line("%s offset=%" PRIx64
                                     ": %s cluster is not properly aligned; L2 entry corrupted.",
                                     repair ? "Repairing" : "ERROR", host->value(),
                                     entry.reads_as_zeros() ? "Preallocated" : "Data");
      if (repair) {
        // The entry reads as zeros with or without a host cluster.
        store_big_endian(&bytes[at], L2Entry::zeros().raw());
        BLOCK_TRY(reader_.store(at, at + table_entry_bytes));
        findings_.corruption_fixed(line);
        continue;
      }
      findings_.corruption(line);
    }
    findings_.report().allocated_clusters += times;
    if (contiguous && *host != *contiguous) findings_.report().fragmented_clusters += times;
    contiguous = *host + cluster_size_.bytes();
    references_.add(*host, cluster_size_.bytes(), ClusterUse::data, times, findings_);
  }
  return {};
}

Result<void> MappingWalk::check_copied(const StoredRefcounts& stored, bool repair,
                                       CheckClient* client, const CheckStep& step) {
  // In a dirty image, refcounts that miss references cannot show which entries may carry COPIED.
  if (!references_.complete() && header_.dirty())
    return client ? tell_references(*client) : Result<void>();
  const char* verb = repair ? "Repairing" : "ERROR";
  auto check_entry = [&](std::size_t index) {
    if (table_offset(index).value() == 0) return;
    bool copied = l1_[index] & copied_flag;
    std::optional<std::uint64_t> refcount =
        stored.stored(cluster_size_.containing(table_offset(index)));
    if (!refcount || (*refcount == 1) == copied) return;
    std::string line = format_line("%s OFLAG_COPIED L2 cluster: l1_index=%zu l1_entry=%" PRIx64
                                   " refcount=%" PRIu64,
                                   verb, index, l1_[index], *refcount);
    if (!repair) return findings_.corruption(line, CheckFindings::About::lag);
    l1_[index] ^= copied_flag;
    changed_l1_pages_[index / l1_page_entries] = true;
    findings_.corruption_fixed(line, CheckFindings::About::lag);
  };
  BLOCK_TRY(
      for_each_table(step, check_entry, [&](std::size_t index, HostOffset table, std::uint64_t) {
        return check_table_copied(index, table, stored, repair, client);
      }));
  return store_l1();
}

Result<void> MappingWalk::check_table_copied(std::size_t l1_index, HostOffset table,
                                             const StoredRefcounts& stored, bool repair,
                                             CheckClient* client) {
  Result<std::span<std::byte>> read = reader_.read(table);
  if (!read) return {}; // counted as a failure in the first pass
  std::span<std::byte> bytes = read.value();
  std::size_t changed_begin = bytes.size();
  std::size_t changed_end = 0;
  repair = repair && well_formed(bytes);
  for (std::size_t at = 0; at < bytes.size(); at += table_entry_bytes) {
    L2Entry entry(load_big_endian<std::uint64_t>(&bytes[at]));
    std::optional<HostOffset> host = entry.host_offset();
    if (!host) continue;
    HostCluster cluster = cluster_size_.containing(*host);
    std::optional<std::uint64_t> refcount = stored.stored(cluster);
    if (refcount && (*refcount == 1) != entry.copied()) {
      std::string line =
          format_line("%s OFLAG_COPIED data cluster: l2_entry=%" PRIx64 " refcount=%" PRIu64,
                      repair ? "Repairing" : "ERROR", entry.raw(), *refcount);
      if (repair) {
        store_big_endian(&bytes[at], entry.with_copied(!entry.copied()).raw());
        changed_begin = std::min(changed_begin, at);
        changed_end = at + table_entry_bytes;
        findings_.corruption_fixed(line, CheckFindings::About::lag);
      } else {
        findings_.corruption(line, CheckFindings::About::lag);
      }
    }
    if (client) tell_reference(*client, l1_index, at, *host);
  }
  if (changed_end == 0) return {};
  // The other tables can still be repaired.
  if (Result<void> done = reader_.store(changed_begin, changed_end); !done)
    findings_.failure(format_line("ERROR: L2 table of guest offset 0x%" PRIx64 ": %s",
                                  guest_start(l1_index).value(), done.error().message().c_str()));
  return {};
}

void MappingWalk::tell_reference(CheckClient& client, std::size_t l1_index, std::size_t at,
                                 HostOffset host) {
  HostCluster cluster = cluster_size_.containing(host);
  if (!cluster_size_.aligned(host) || references_.use(cluster) != ClusterUse::data) return;
  GuestOffset guest = guest_start(l1_index) + ((at / table_entry_bytes) << cluster_size_.bits());
  client.data_reference(guest, cluster, references_.count(cluster));
}

Result<void> MappingWalk::tell_references(CheckClient& client) {
  auto no_entry = [](std::size_t) {};
  return for_each_table({}, no_entry, [&](std::size_t index, HostOffset table, std::uint64_t) {
    Result<std::span<std::byte>> read = reader_.read(table);
    if (!read) return Result<void>(); // counted as a failure in the first pass
    for (std::size_t at = 0; at < read->size(); at += table_entry_bytes) {
      L2Entry entry(load_big_endian<std::uint64_t>(&(*read)[at]));
      if (entry.host_offset()) tell_reference(client, index, at, *entry.host_offset());
    }
    return Result<void>();
  });
}

Result<void> MappingWalk::store_l1() {
  std::byte sector[l1_page_entries * table_entry_bytes];
  for (std::size_t page = 0; page < changed_l1_pages_.size(); ++page) {
    if (!changed_l1_pages_[page]) continue;
    std::size_t first = page * l1_page_entries;
    std::size_t entries = std::min(l1_page_entries, l1_.size() - first);
    for (std::size_t i = 0; i < entries; ++i)
      store_big_endian(sector + i * table_entry_bytes, l1_[first + i]);
    BLOCK_TRY(file_.write(header_.l1_offset + first * table_entry_bytes,
                          std::span<const std::byte>(sector, entries * table_entry_bytes)));
  }
  return {};
}

} // namespace qcow2
