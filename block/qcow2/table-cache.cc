// TableCache: a list in order of use, a map by host offset, and a count of changed tables.
#include "block/qcow2/table-cache.h"

#include <algorithm>

namespace qcow2 {
namespace {

constexpr std::size_t min_tables = 4;
constexpr std::size_t max_spare_bytes = 1024 * 1024; // or one table
// Pieces are rounded out to this many bytes, so that the kernel need not read a page to change a
// part of it.
constexpr std::size_t write_granularity = 4096;

} // namespace

void Table::touch(std::size_t first_byte, std::size_t bytes) {
  if (!dirty()) {
    dirty_begin_ = first_byte;
    dirty_end_ = first_byte + bytes;
    ++cache_.dirty_tables_;
    return;
  }
  dirty_begin_ = std::min(dirty_begin_, first_byte);
  dirty_end_ = std::max(dirty_end_, first_byte + bytes);
}

TableCache::TableCache(HostFile& file, std::size_t table_bytes, std::size_t max_bytes,
                       block::DebugEvent load)
    : file_(file),
      table_bytes_(table_bytes),
      max_tables_(std::max(min_tables, max_bytes / table_bytes)),
      load_(load) {}

Table* TableCache::insert(HostOffset offset, block::AlignedBuffer memory) {
  tables_.push_front(Table(*this, offset, std::move(memory)));
  by_offset_.emplace(offset, tables_.begin());
  return &tables_.front();
}

TableCache::List::iterator TableCache::erase(List::iterator table) {
  by_offset_.erase(table->offset_);
  if (spare_memory_.size() * table_bytes_ < max_spare_bytes)
    spare_memory_.push_back(std::move(table->memory_));
  return tables_.erase(table);
}

block::AlignedBuffer TableCache::take_memory() {
  if (spare_memory_.empty()) return block::AlignedBuffer(table_bytes_);
  block::AlignedBuffer memory = std::move(spare_memory_.back());
  spare_memory_.pop_back();
  return memory;
}

Table* TableCache::find(HostOffset offset) {
  // Runs of clusters use the same table repeatedly.
  if (!tables_.empty() && tables_.front().offset_ == offset) return &tables_.front();
  auto found = by_offset_.find(offset);
  if (found == by_offset_.end()) return nullptr;
  tables_.splice(tables_.begin(), tables_, found->second);
  return &tables_.front();
}

Result<Table*> TableCache::get(HostOffset offset) {
  if (Table* cached = find(offset)) {
    ++hits_;
    return cached;
  }
  ++misses_;
  block::AlignedBuffer memory = take_memory();
  file_.event(load_);
  BLOCK_TRY(file_.read(offset, memory.span()));
  return insert(offset, std::move(memory));
}

void TableCache::read_ahead(HostOffset first, std::size_t count) {
  if (count < 2 || count > max_tables_ / 4) return;
  block::AlignedBuffer memory(count * table_bytes_);
  file_.event(load_);
  if (!file_.read(first, memory.span())) return;
  for (std::size_t i = count; i-- > 0;) { // reversed, so that the first is most recently used
    HostOffset offset = first + i * table_bytes_;
    if (by_offset_.contains(offset)) continue; // it may have changed since it was stored
    std::copy_n(memory.data() + i * table_bytes_, table_bytes_,
                insert(offset, take_memory())->memory_.data());
  }
}

Table* TableCache::create(HostOffset offset) {
  Table* table = create_stored(offset);
  table->touch(0, table_bytes_);
  return table;
}

Table* TableCache::create_stored(HostOffset offset) {
  Table* table = insert(offset, take_memory());
  std::fill_n(table->memory_.data(), table_bytes_, std::byte{0});
  return table;
}

void TableCache::forget(HostOffset offset) {
  auto found = by_offset_.find(offset);
  if (found == by_offset_.end()) return;
  if (found->second->dirty()) --dirty_tables_;
  erase(found->second);
}

void TableCache::trim() {
  if (tables_.size() <= max_tables_) return;
  for (auto table = std::prev(tables_.end()); tables_.size() > max_tables_;) {
    bool first = table == tables_.begin();
    auto next = first ? table : std::prev(table);
    if (!table->dirty() && !table->in_write_back_) erase(table);
    if (first) break;
    table = next;
  }
}

std::vector<TableWrite> TableCache::begin_write_back() {
  std::vector<TableWrite> writes;
  if (dirty_tables_ == 0) return writes;
  writes.reserve(dirty_tables_);
  for (Table& table : tables_) {
    if (!table.dirty()) continue;
    std::size_t begin = table.dirty_begin_ / write_granularity * write_granularity;
    std::size_t end = std::min(table_bytes_, (table.dirty_end_ + write_granularity - 1) /
                                                 write_granularity * write_granularity);
    const std::byte* from = table.memory_.data();
    writes.push_back({table.offset_, begin, {from + begin, from + end}});
    table.dirty_begin_ = table.dirty_end_ = 0;
    table.in_write_back_ = true;
  }
  dirty_tables_ = 0;
  std::sort(writes.begin(), writes.end(),
            [](const TableWrite& a, const TableWrite& b) { return a.table < b.table; });
  return writes;
}

void TableCache::end_write_back(const std::vector<TableWrite>& writes, bool written) {
  for (const TableWrite& write : writes) {
    auto found = by_offset_.find(write.table);
    if (found == by_offset_.end()) continue; // forgotten meanwhile
    found->second->in_write_back_ = false;
    if (!written) found->second->touch(write.first_byte, write.bytes.size());
  }
}

Result<void> write_tables(HostFile& file, block::DebugEvent update,
                          const std::vector<TableWrite>& writes) {
  constexpr std::size_t max_pieces = 256; // limit of segments of one request
  for (std::size_t first = 0; first < writes.size();) {
    HostOffset start = writes[first].table + writes[first].first_byte;
    HostOffset end = start;
    std::vector<iovec> segments;
    while (first < writes.size() && segments.size() < max_pieces &&
           writes[first].table + writes[first].first_byte == end) {
      const TableWrite& write = writes[first];
      segments.push_back({const_cast<std::byte*>(write.bytes.data()), write.bytes.size()});
      end += write.bytes.size();
      ++first;
    }
    file.event(update);
    BLOCK_TRY(file.write(start, IoVector(std::move(segments))));
  }
  return {};
}

} // namespace qcow2
