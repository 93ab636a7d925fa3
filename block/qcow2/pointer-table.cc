// PointerTable: one range of changed entries, because neighbours change together.
#include "block/qcow2/pointer-table.h"

#include <algorithm>

namespace qcow2 {
namespace {

void encode_into(std::span<std::byte> bytes, std::span<const std::uint64_t> entries) {
  for (std::size_t i = 0; i < entries.size(); ++i)
    block::store_big_endian(bytes.data() + i * table_entry_bytes, entries[i]);
}

} // namespace

Result<void> PointerTable::load(HostFile& file, HostOffset place, std::size_t entries) {
  block::AlignedBuffer memory(entries * table_entry_bytes);
  if (entries > 0) BLOCK_TRY(file.read(place, memory.span()));
  install(entries, place);
  for (std::size_t i = 0; i < entries; ++i)
    entries_[i] = block::load_big_endian<std::uint64_t>(memory.data() + i * table_entry_bytes);
  return {};
}

void PointerTable::set(std::size_t index, std::uint64_t entry) {
  entries_[index] = entry;
  touch(index, index + 1);
}

void PointerTable::touch(std::size_t begin, std::size_t end) {
  changed_begin_ = has_changes() ? std::min(changed_begin_, begin) : begin;
  changed_end_ = std::max(changed_end_, end);
}

std::vector<std::byte> PointerTable::encode(std::size_t bytes) const {
  std::vector<std::byte> encoded(bytes);
  encode_into(encoded, entries_);
  return encoded;
}

void PointerTable::install(std::size_t entries, HostOffset place) {
  entries_.resize(entries);
  place_ = place;
  changed_begin_ = changed_end_ = 0;
}

void PointerTable::reinstall(std::size_t entries, HostOffset place) {
  install(entries, place);
  touch(0, entries); // install() dropped the record of earlier changes
}

std::vector<TableWrite> PointerTable::begin_write_back() {
  if (!has_changes()) return {};
  TableWrite write{place_, changed_begin_ * table_entry_bytes, {}};
  write.bytes.resize((changed_end_ - changed_begin_) * table_entry_bytes);
  encode_into(write.bytes, entries().subspan(changed_begin_, changed_end_ - changed_begin_));
  changed_begin_ = changed_end_ = 0;
  return {std::move(write)};
}

void PointerTable::end_write_back(const std::vector<TableWrite>& writes, bool written) {
  if (written) return;
  for (const TableWrite& write : writes)
    if (write.table == place_)
      touch(write.first_byte / table_entry_bytes,
            (write.first_byte + write.bytes.size()) / table_entry_bytes);
}

} // namespace qcow2
