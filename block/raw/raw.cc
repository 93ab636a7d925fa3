// The raw format driver: passes every request to child "file", shifted by the option "offset".
//
// This is the smallest complete format driver and the one to copy. docs/developer/drivers.md
// has the contract of each entry.
#include "block/raw/raw.h"

#include "block/node.h"
#include "block/sector.h"

#include <algorithm>
#include <atomic>

namespace block {
namespace {

// Determined by raw_open(), used by every request.
struct RawState {
  std::uint64_t offset = 0;                // bytes of the file before the disk begins
  std::optional<std::uint64_t> fixed_size; // bytes of the disk; absent: up to the end of the file
  // Lower bound of the file's length in bytes, unless another program shortens it. Saves a query of
  // the length at each read.
  std::atomic<std::uint64_t> file_end{0};
};

// Returns how many bytes of the range lie within the file. `begin` is an offset of the file.
Result<std::uint64_t> bytes_within_file(Node& node, std::uint64_t begin, std::uint64_t bytes) {
  if (begin + bytes <= node.state<RawState>().file_end.load(std::memory_order_relaxed))
    return bytes;
  BLOCK_TRY_ASSIGN(const std::uint64_t length, node.file()->co_get_length());
  return begin < length ? std::min(bytes, length - begin) : 0;
}

// The file may end within the last sector. The rest of that sector reads as zeros.
Result<std::uint64_t> raw_get_length(Node& node) {
  const RawState& raw = node.state<RawState>();
  if (raw.fixed_size) return *raw.fixed_size;
  BLOCK_TRY_ASSIGN(const std::uint64_t file_length, node.file()->co_get_length());
  if (file_length < raw.offset) return std::uint64_t{0};
  return (file_length - raw.offset + sector_bytes - 1) / sector_bytes * sector_bytes;
}

Result<void> raw_open(Node& node, Options& options) {
  auto raw = std::make_shared<RawState>();
  const bool has_size = options.contains("size");
  BLOCK_TRY_ASSIGN(raw->offset, options.take_size("offset", 0));
  BLOCK_TRY_ASSIGN(const std::uint64_t size, options.take_size("size", 0));

  Access access;
  access.write = !node.read_only();
  BLOCK_TRY(node.open_child("file", options, access));
  BLOCK_TRY_ASSIGN(const std::uint64_t file_length, node.file()->co_get_length());
  if (raw->offset > file_length)
    return Error(ErrorKind::invalid_argument,
                 "Offset (" + std::to_string(raw->offset) +
                     ") cannot be greater than size of the containing file (" +
                     std::to_string(file_length) + ")");
  if (has_size && size > file_length - raw->offset)
    return Error(ErrorKind::invalid_argument,
                 "The sum of offset (" + std::to_string(raw->offset) + ") and size (" +
                     std::to_string(size) +
                     ") has to be smaller or equal to the actual size of the containing file (" +
                     std::to_string(file_length) + ")");
  if (size % sector_bytes != 0)
    return Error(ErrorKind::invalid_argument,
                 "Specified size is not multiple of " + std::to_string(sector_bytes));
  if (has_size) raw->fixed_size = size;
  raw->file_end = file_length;
  node.set_state(std::move(raw));
  return {};
}

using Read = Result<void> (Node::*)(std::uint64_t offset, const IoVector& vector);

// Reads from the file with `read`. The part of the last sector beyond the end of the file is zeros.
Result<void> read_of_file(Node& node, Read read, std::uint64_t offset, const IoVector& vector) {
  const std::uint64_t begin = node.state<RawState>().offset + offset;
  BLOCK_TRY_ASSIGN(const std::uint64_t within, bytes_within_file(node, begin, vector.size()));
  const std::uint64_t missing = vector.size() - within;
  Node& file = *node.file();
  // More than a part of a sector is missing only if the file was shortened. The child then returns
  // the error.
  if (missing == 0 || missing >= sector_bytes) return (file.*read)(begin, vector);
  vector.fill(within, missing, std::byte{0});
  return within == 0 ? Result<void>() : (file.*read)(begin, vector.slice(0, within));
}

Result<void> raw_readv(Node& node, std::uint64_t offset, const IoVector& vector) {
  node.file()->debug_event(DebugEvent::read_aio);
  return read_of_file(node, &Node::co_readv, offset, vector);
}

Result<void> raw_read_medium(Node& node, std::uint64_t offset, const IoVector& vector) {
  return read_of_file(node, &Node::co_read_medium, offset, vector);
}

Result<void> raw_writev(Node& node, std::uint64_t offset, const IoVector& vector,
                        WriteFlags flags) {
  node.file()->debug_event(DebugEvent::write_aio);
  return node.file()->co_writev(node.state<RawState>().offset + offset, vector, flags);
}

Result<void> raw_pwrite_zeroes(Node& node, std::uint64_t offset, std::uint64_t bytes,
                               ZeroFlags flags) {
  return node.file()->co_pwrite_zeroes(node.state<RawState>().offset + offset, bytes, flags);
}

Result<void> raw_pdiscard(Node& node, std::uint64_t offset, std::uint64_t bytes) {
  const std::uint64_t begin = node.state<RawState>().offset + offset;
  BLOCK_TRY_ASSIGN(const std::uint64_t within, bytes_within_file(node, begin, bytes));
  return within == 0 ? Result<void>() : node.file()->co_pdiscard(begin, within);
}

Result<void> raw_truncate(Node& node, std::uint64_t length, Preallocation preallocation) {
  auto& raw = node.state<RawState>();
  if (raw.fixed_size) return Error(ErrorKind::unsupported, "Cannot resize fixed-size raw disks");
  if (length > UINT64_MAX - raw.offset)
    return Error(ErrorKind::invalid_argument, "Disk size too large for the chosen offset");
  raw.file_end = std::min(raw.file_end.load(), raw.offset + length);
  return node.file()->co_truncate(raw.offset + length, preallocation);
}

Result<BlockStatus> raw_block_status(Node& node, std::uint64_t offset, std::uint64_t bytes) {
  BlockStatus status;
  status.host_offset = node.state<RawState>().offset + offset;
  BLOCK_TRY_ASSIGN(status.bytes, bytes_within_file(node, *status.host_offset, bytes));
  status.as_child = status.bytes != 0;
  if (status.as_child) return status;
  status.bytes = bytes;
  status.allocated = status.zero = true; // the rest of the last sector
  return status;
}

// Every file is a raw image, so any other driver that recognises the file takes precedence.
int raw_probe(std::span<const std::byte>) {
  return 1;
}

const std::vector<CreateOption>& raw_create_options() {
  static const std::vector<CreateOption> options = {
      {"size", CreateOption::Type::size, "Virtual disk size", ""},
      {"preallocation", CreateOption::Type::text,
       "Preallocation mode (allowed values: off, falloc, full)", ""},
  };
  return options;
}

struct CreateRequest {
  std::uint64_t size = 0; // bytes
  Preallocation preallocation = Preallocation::off;
};

Result<CreateRequest> take_create_options(Options& options) {
  CreateRequest request;
  BLOCK_TRY_ASSIGN(request.size, options.take_size("size", 0));
  const std::string mode = options.take("preallocation").value_or("off");
  BLOCK_TRY_ASSIGN(request.preallocation, parse_preallocation(mode));
  if (request.preallocation == Preallocation::metadata)
    return Error(ErrorKind::unsupported, "Unsupported preallocation mode '" + mode + "'");
  return request;
}

Result<void> raw_check_create_options(Options& options) {
  BLOCK_TRY(take_create_options(options));
  return {};
}

// The steps of a parent are steps on the file, where a filter may wait for them.
void raw_debug_event(Node& node, DebugEvent event) {
  node.file()->debug_event(event);
}

constexpr DebugOperations raw_debug = {.event = raw_debug_event};

bool raw_reads_as_zeros_when_new(Node& node) {
  return node.file()->reads_as_zeros_when_new();
}

Result<void> raw_create(Node& file, Options& options) {
  BLOCK_TRY_ASSIGN(const CreateRequest request, take_create_options(options));
  BLOCK_TRY_ASSIGN(const std::uint64_t length, file.co_get_length());
  // A device may be larger than the image, and then stays as it is.
  if (request.size > length || request.preallocation != Preallocation::off)
    BLOCK_TRY(file.co_truncate(request.size, request.preallocation));
  // Otherwise a probe could find the format of the device's former content.
  if (!file.reads_as_zeros_when_new())
    BLOCK_TRY(file.co_pwrite_zeroes(0, std::min(length, sector_bytes)));
  return file.co_flush();
}

} // namespace

const BlockDriver raw_driver = {
    .format_name = "raw",
    .probe = raw_probe,
    .create_options = raw_create_options,
    .check_create_options = raw_check_create_options,
    .create = raw_create,
    .reads_as_zeros_when_new = raw_reads_as_zeros_when_new,
    .open = raw_open,
    .co_get_length = raw_get_length,
    .co_readv = raw_readv,
    .co_read_medium = raw_read_medium,
    .co_writev = raw_writev,
    .supports_fua = true, // the child makes the write durable
    .co_pwrite_zeroes = raw_pwrite_zeroes,
    .co_pdiscard = raw_pdiscard,
    .co_truncate = raw_truncate,
    .co_block_status = raw_block_status,
    .debug = &raw_debug,
};

} // namespace block
