// Reads tables with read-ahead, and skips holes.
#include "block/qcow2/check/table-reader.h"

#include "block/sector.h"

#include <algorithm>

namespace qcow2 {
namespace {

constexpr std::uint64_t window_target = 256 * 1024; // bytes of one read-ahead
// This many bytes are read before holes are looked up, because a lookup costs as much as a read.
constexpr std::uint64_t free_bytes = 16 << 20;
using block::sector_bytes;

} // namespace

TableReader::TableReader(HostFile& file, std::uint64_t table_bytes)
    : file_(file), table_bytes_(table_bytes), window_(std::max(window_target, table_bytes)) {}

bool TableReader::is_hole(HostOffset offset) {
  std::uint64_t begin = offset.value();
  if (begin < extent_.begin || begin >= extent_.end) {
    Result<std::uint64_t> length = file_.node().co_get_length();
    if (!length || begin >= length.value()) return false;
    auto status = file_.node().co_block_status(begin, length.value() - begin);
    if (!status || status.value().bytes == 0) return false;
    extent_ = {begin, begin + status.value().bytes, status.value().zero};
  }
  return extent_.hole && table_bytes_ <= extent_.end - begin;
}

Result<void> TableReader::fill_window(HostOffset offset, std::uint64_t bytes) {
  window_bytes_ = 0;
  BLOCK_TRY(file_.read(offset, window_.span().first(bytes)));
  window_start_ = offset;
  window_bytes_ = bytes;
  bytes_read_ += bytes;
  return {};
}

Result<std::span<std::byte>> TableReader::read(HostOffset offset) {
  bool sequential = offset == last_ + table_bytes_;
  last_ = offset;
  bool inside = offset >= window_start_ &&
                offset.value() + table_bytes_ <= window_start_.value() + window_bytes_;
  if (!inside) {
    if (bytes_read_ > free_bytes && is_hole(offset)) return std::span<std::byte>();
    bool ahead = sequential && offset >= no_ahead_before_;
    if (ahead && !fill_window(offset, window_.size())) {
      // A bad sector in the window must not hide the tables before and after it.
      no_ahead_before_ = offset + window_.size();
      ahead = false;
    }
    if (!ahead) BLOCK_TRY(fill_window(offset, table_bytes_));
  }
  return window_.span().subspan(offset - window_start_, table_bytes_);
}

Result<void> TableReader::store(std::uint64_t begin, std::uint64_t end) {
  begin = begin / sector_bytes * sector_bytes;
  end = (end + sector_bytes - 1) / sector_bytes * sector_bytes;
  std::span<const std::byte> table = window_.span().subspan(last_ - window_start_, table_bytes_);
  return file_.write(last_ + begin, table.subspan(begin, end - begin));
}

} // namespace qcow2
