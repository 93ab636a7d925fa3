// PointerTable: an array of 64-bit host pointers in memory (an L1 table, the refcount table, the L1
// of the dedup table), the part of it that changed, and its host offset, which changes when the
// table grows.
//
// The table stores raw entries. Its user interprets them: which bits are flags, and what a pointer
// may name.
#ifndef BLOCK_QCOW2_POINTER_TABLE_H
#define BLOCK_QCOW2_POINTER_TABLE_H

#include "block/qcow2/table-cache.h"

namespace qcow2 {

// Not synchronised: the image's metadata lock guards it.
class PointerTable final : public WriteBackPart {
public:
  // Reads `entries` entries at `place`; reads nothing if there are none. Errors: those of the read;
  // then the table stays as it was.
  Result<void> load(HostFile& file, HostOffset place, std::size_t entries);

  HostOffset place() const { return place_; }
  std::size_t size() const { return entries_.size(); } // entries
  std::uint64_t bytes() const { return std::uint64_t{size()} * table_entry_bytes; }
  bool empty() const { return entries_.empty(); }
  std::uint64_t operator[](std::size_t index) const { return entries_[index]; }
  std::span<const std::uint64_t> entries() const { return entries_; }
  void set(std::size_t index, std::uint64_t entry);

  // For a table that moves, because it grows. encode() returns all entries as stored, with zeros up
  // to `bytes`, which is at least bytes(). install() gives the table a new host offset and
  // `entries` entries, at least as many as now; new entries are 0, and none counts as changed.
  // The caller must store all of the table there before or directly after the call.
  std::vector<std::byte> encode(std::size_t bytes) const;
  void install(std::size_t entries, HostOffset place);
  // Restores the former size and host offset, because the table could not be stored at the new one.
  // All entries count as changed.
  void reinstall(std::size_t entries, HostOffset place);

  // Changed entries for a write-back, like TableCache's: one piece at most. A piece that could not
  // be written counts as changed again, unless the table has moved meanwhile: then install()'s
  // caller has stored all of it.
  bool has_changes() const { return changed_begin_ < changed_end_; }
  std::vector<TableWrite> begin_write_back() override;
  void end_write_back(const std::vector<TableWrite>& writes, bool durable) override;

private:
  void touch(std::size_t begin, std::size_t end);

  HostOffset place_;
  std::vector<std::uint64_t> entries_;
  std::size_t changed_begin_ = 0, changed_end_ = 0; // entries, since the last begin_write_back()
};

} // namespace qcow2

#endif
