// The format of a write log: version 1 of the format of Linux' device mapper target log-writes,
// which QEMU's blklogwrites also writes.
//
// All integers are little-endian. The log has a sector size of its own, and all counts are in these
// sectors. The first sector begins with the superblock. Each entry has one sector, followed by the
// sectors that were written, if there are any. Entries are in the order in which their requests
// ended.
//
//   a write    sector, sectors, and that many sectors of data; flag fua if the write was durable
//              by itself
//   a discard  sector, sectors, flag discard; no data
//   a flush    flag flush; sectors is 0. It made all earlier entries durable, except the last
//              `sector` entries before it, which ended while the flush ran. Other programs write
//              0 there. A reader that does not use the field ignores it, because sectors is 0
//   a mark     flag mark, and data_bytes of text behind the entry, in its sector. Our marks are
//              "truncate N": the length became N bytes. The format has no other way to record it
#ifndef BLOCK_DEBUG_WRITE_LOG_FORMAT_H
#define BLOCK_DEBUG_WRITE_LOG_FORMAT_H

#include "block/endian.h"

#include <bit>
#include <string_view>

namespace block::write_log {

constexpr std::uint64_t magic = 0x6a736677736872;
constexpr std::uint64_t version = 1;
constexpr std::uint32_t default_sector_bytes = 512;
constexpr bool usable_sector_bytes(std::uint64_t bytes) {
  return std::has_single_bit(bytes) && bytes >= 512 && bytes <= 4 * 1024 * 1024;
}
constexpr std::string_view truncate_mark = "truncate ";

struct Superblock {
  static constexpr std::size_t bytes = 28;
  std::uint64_t magic = write_log::magic;
  std::uint64_t version = write_log::version;
  std::uint64_t entries = 0;
  std::uint32_t sector_bytes = 0;
};

struct Entry {
  static constexpr std::size_t bytes = 32;
  static constexpr std::uint64_t flush = 1, fua = 2, discard = 4, mark = 8;
  std::uint64_t sector = 0;
  std::uint64_t sectors = 0;
  std::uint64_t flags = 0;
  std::uint64_t data_bytes = 0; // length of a mark's text

  // Number of sectors of data that follow the entry's own sector.
  std::uint64_t data_sectors() const { return (flags & discard) ? 0 : sectors; }
};

inline Superblock decode_superblock(const std::byte* from) {
  return {load_little_endian<std::uint64_t>(from), load_little_endian<std::uint64_t>(from + 8),
          load_little_endian<std::uint64_t>(from + 16),
          load_little_endian<std::uint32_t>(from + 24)};
}

inline void encode(const Superblock& superblock, std::byte* to) {
  store_little_endian(to, superblock.magic);
  store_little_endian(to + 8, superblock.version);
  store_little_endian(to + 16, superblock.entries);
  store_little_endian(to + 24, superblock.sector_bytes);
}

inline Entry decode_entry(const std::byte* from) {
  return {load_little_endian<std::uint64_t>(from), load_little_endian<std::uint64_t>(from + 8),
          load_little_endian<std::uint64_t>(from + 16),
          load_little_endian<std::uint64_t>(from + 24)};
}

inline void encode(const Entry& entry, std::byte* to) {
  store_little_endian(to, entry.sector);
  store_little_endian(to + 8, entry.sectors);
  store_little_endian(to + 16, entry.flags);
  store_little_endian(to + 24, entry.data_bytes);
}

} // namespace block::write_log

#endif
