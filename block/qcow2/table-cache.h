// TableCache: metadata tables of one kind and size (L2 tables, refcount blocks, hash blocks) in
// memory.
//
// Changed tables stay in memory until a write-back copies them out; reading a table never writes
// another one. So Image::write_back() alone determines the order in which tables become durable,
// not the order of evictions.
#ifndef BLOCK_QCOW2_TABLE_CACHE_H
#define BLOCK_QCOW2_TABLE_CACHE_H

#include "block/endian.h"
#include "block/qcow2/host-file.h"
#include "block/qcow2/write-back-part.h"
#include "block/util/aligned-buffer.h"

#include <list>
#include <unordered_map>
#include <vector>

namespace qcow2 {

class TableCache;

// One cached table. Pointers to it stay valid until TableCache::trim() or forget().
class Table {
public:
  HostOffset offset() const { return offset_; }
  std::span<const std::byte> bytes() const { return memory_.span(); }
  // For changes. The caller must then call touch() with the range that it changed.
  std::byte* mutable_bytes() { return memory_.data(); }
  void touch(std::size_t first_byte, std::size_t bytes);

  // Tables of 64-bit big-endian entries.
  std::uint64_t entry(std::size_t index) const {
    return block::load_big_endian<std::uint64_t>(memory_.data() + index * table_entry_bytes);
  }
  void set_entry(std::size_t index, std::uint64_t value) {
    block::store_big_endian(memory_.data() + index * table_entry_bytes, value);
    touch(index * table_entry_bytes, table_entry_bytes);
  }

private:
  friend class TableCache;
  Table(TableCache& cache, HostOffset offset, block::AlignedBuffer memory)
      : cache_(cache), offset_(offset), memory_(std::move(memory)) {}
  bool dirty() const { return dirty_begin_ < dirty_end_; }

  TableCache& cache_;
  HostOffset offset_;
  block::AlignedBuffer memory_;
  std::size_t dirty_begin_ = 0, dirty_end_ = 0; // bytes changed since the last copy-out
  bool in_write_back_ = false;                  // copied out, not known to be written yet
};

// Not synchronised: the image's metadata lock guards it.
class TableCache final : public WriteBackPart {
public:
  // After trim() the cache holds at most `max_bytes` of unchanged tables, but never fewer than four
  // tables. It reports the event `load` before it reads a table.
  TableCache(HostFile& file, std::size_t table_bytes, std::size_t max_bytes,
             block::DebugEvent load);

  // Returns the table at this host offset; reads it if it is not cached. Errors: those of the read.
  Result<Table*> get(HostOffset offset);
  // Reads `count` neighbouring tables at once, if the cache has room for them. After an error get()
  // reads them one by one.
  void read_ahead(HostOffset first, std::size_t count);
  Table* find(HostOffset offset); // null if not cached
  // Returns a new table of zeros, all of it changed. The host offset must not be cached.
  Table* create(HostOffset offset);
  // The same, but unchanged: the file holds the zeros.
  Table* create_stored(HostOffset offset);
  // Drops a table whose clusters were given up; its changes are lost.
  void forget(HostOffset offset);
  // Drops the least recently used unchanged tables beyond the limit.
  void trim();

  // True if half of the cache is changed: then the next request should write back before it changes
  // more.
  bool wants_write_back() const { return dirty_tables_ > max_tables_ / 2; }
  bool has_changes() const { return dirty_tables_ > 0; }

  // The tables stay cached from begin_write_back() to end_write_back().
  std::vector<TableWrite> begin_write_back() override;
  void end_write_back(const std::vector<TableWrite>& writes, bool durable) override;

  std::size_t table_bytes() const { return table_bytes_; }
  std::uint64_t memory_bytes() const { return tables_.size() * table_bytes_; }
  std::uint64_t hits() const { return hits_; }
  std::uint64_t misses() const { return misses_; }

private:
  friend class Table;
  using List = std::list<Table>; // most recently used first

  Table* insert(HostOffset offset, block::AlignedBuffer memory);
  List::iterator erase(List::iterator table);
  block::AlignedBuffer take_memory();

  HostFile& file_;
  std::size_t table_bytes_;
  std::size_t max_tables_;
  block::DebugEvent load_;
  List tables_;
  std::unordered_map<HostOffset, List::iterator> by_offset_;
  // Memory of dropped tables, for the next ones; small compared with the cache. Tables are dropped
  // and read on all threads: with malloc, the arena of each thread would keep the memory.
  std::vector<block::AlignedBuffer> spare_memory_;
  std::size_t dirty_tables_ = 0;
  std::uint64_t hits_ = 0;
  std::uint64_t misses_ = 0;
};

// Writes copied-out pieces. Neighbours form one request; the event `update` is reported before each
// request.
Result<void> write_tables(HostFile& file, block::DebugEvent update,
                          const std::vector<TableWrite>& writes);

} // namespace qcow2

#endif
