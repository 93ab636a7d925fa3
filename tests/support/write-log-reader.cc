// Decodes the entries of a log as the changes that they record.
#include "tests/support/write-log-reader.h"

#include "block/debug/write-log-format.h"

#include <charconv>

namespace block {
namespace {

using write_log::Entry;

Error no_log(const std::string& what) {
  return Error(ErrorKind::invalid_argument, "no write log: " + what);
}

Result<LoggedRequest> decode_mark(std::string_view text) {
  std::uint64_t length = 0;
  if (!text.starts_with(write_log::truncate_mark)) return no_log("it has a mark of others");
  text.remove_prefix(write_log::truncate_mark.size());
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), length);
  if (error != std::errc() || end != text.data() + text.size())
    return no_log("it has a truncation to no number");
  LoggedRequest request;
  request.change = {MemoryChange::Kind::truncate, length, {}, 0, false};
  return request;
}

// `sector`: the entry's own sector. `data`: the data that follows it.
Result<LoggedRequest> decode(const Entry& entry, std::span<const std::byte> sector,
                             std::span<const std::byte> data) {
  LoggedRequest request;
  const std::uint64_t offset = entry.sector * sector.size();
  const std::uint64_t bytes = entry.sectors * sector.size();
  switch (entry.flags) {
  case Entry::flush:
    request.not_covered = entry.sector;
    return request;
  case Entry::mark:
    if (entry.data_bytes > sector.size() - Entry::bytes) return no_log("a mark is too long");
    return decode_mark({reinterpret_cast<const char*>(sector.data()) + Entry::bytes,
                        static_cast<std::size_t>(entry.data_bytes)});
  case Entry::discard:
    request.change = {MemoryChange::Kind::discard, offset, {}, bytes, false};
    return request;
  case 0:
  case Entry::fua:
    request.change = {MemoryChange::Kind::write,
                      offset,
                      {data.begin(), data.end()},
                      bytes,
                      entry.flags == Entry::fua};
    return request;
  }
  return no_log("flags " + std::to_string(entry.flags));
}

} // namespace

Result<std::vector<LoggedRequest>> read_write_log(std::span<const std::byte> log) {
  if (log.size() < write_log::Superblock::bytes) return no_log("it is too short");
  const write_log::Superblock superblock = write_log::decode_superblock(log.data());
  if (superblock.magic != write_log::magic || superblock.version != write_log::version ||
      !write_log::usable_sector_bytes(superblock.sector_bytes))
    return no_log("its superblock is none");
  const std::size_t sector_bytes = superblock.sector_bytes;
  std::vector<LoggedRequest> requests;
  std::size_t at = sector_bytes;
  auto has = [&](std::uint64_t sectors) {
    return at <= log.size() && sectors <= (log.size() - at) / sector_bytes;
  };
  for (std::uint64_t i = 0; i < superblock.entries; ++i) {
    if (!has(1)) return no_log("it ends before entry " + std::to_string(i));
    const std::span<const std::byte> sector = log.subspan(at, sector_bytes);
    const Entry entry = write_log::decode_entry(sector.data());
    at += sector_bytes;
    if (!has(entry.data_sectors())) return no_log("it ends in entry " + std::to_string(i));
    const std::span<const std::byte> data = log.subspan(at, entry.data_sectors() * sector_bytes);
    at += data.size();
    BLOCK_TRY_ASSIGN(LoggedRequest request, decode(entry, sector, data));
    requests.push_back(std::move(request));
  }
  return requests;
}

bool makes_durable(std::uint64_t offset, std::span<const std::byte> bytes) {
  if (offset == 0 || bytes.size() < Entry::bytes) return false; // the superblock
  const std::uint64_t flags = write_log::decode_entry(bytes.data()).flags;
  return flags == Entry::flush || flags == Entry::fua;
}

} // namespace block
