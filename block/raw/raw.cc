// The raw format driver: passes every request to child "file", moved by the option "offset".
//
// This is the smallest complete format driver and the one to copy; docs/drivers.md walks through
// it.
#include "block/raw/raw.h"

#include "block/node.h"

namespace block {
namespace {

// What open() learns and every request needs.
struct RawState {
  std::uint64_t offset = 0;                // bytes of the file before the disk begins
  std::optional<std::uint64_t> fixed_size; // bytes of the disk; absent: up to the end of the file
};

Result<std::uint64_t> raw_get_length(Node& node) {
  const RawState& raw = node.state<RawState>();
  if (raw.fixed_size) return *raw.fixed_size;
  BLOCK_TRY_ASSIGN(const std::uint64_t file_length, node.file()->co_get_length());
  return file_length < raw.offset ? 0 : file_length - raw.offset;
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
  if (has_size) raw->fixed_size = size;
  node.set_state(std::move(raw));
  return {};
}

Result<void> raw_readv(Node& node, std::uint64_t offset, const IoVector& vector) {
  node.file()->debug_event(DebugEvent::read_aio);
  return node.file()->co_readv(node.state<RawState>().offset + offset, vector);
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
  return node.file()->co_pdiscard(node.state<RawState>().offset + offset, bytes);
}

Result<void> raw_truncate(Node& node, std::uint64_t length, Preallocation preallocation) {
  const RawState& raw = node.state<RawState>();
  if (raw.fixed_size) return Error(ErrorKind::unsupported, "Cannot resize fixed-size raw disks");
  if (length > UINT64_MAX - raw.offset)
    return Error(ErrorKind::invalid_argument, "Disk size too large for the chosen offset");
  return node.file()->co_truncate(raw.offset + length, preallocation);
}

Result<BlockStatus> raw_block_status(Node& node, std::uint64_t offset, std::uint64_t bytes) {
  const std::uint64_t file_offset = node.state<RawState>().offset + offset;
  BLOCK_TRY_ASSIGN(BlockStatus status, node.file()->co_block_status(file_offset, bytes));
  // The child's answer, but for the place: that is in terms of the child itself.
  status.allocated = true;
  status.host_offset = file_offset;
  return status;
}

// Every file is a raw image, so this is the answer only when no other driver is surer.
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

Result<void> raw_create(Node& file, Options& options) {
  BLOCK_TRY_ASSIGN(const std::uint64_t size, options.take_size("size", 0));
  BLOCK_TRY_ASSIGN(const Preallocation preallocation,
                   parse_preallocation(options.take("preallocation").value_or("off")));
  BLOCK_TRY(file.co_truncate(size, preallocation));
  return file.co_flush();
}

} // namespace

const BlockDriver raw_driver = {
    .format_name = "raw",
    .probe = raw_probe,
    .create_options = raw_create_options,
    .create = raw_create,
    .open = raw_open,
    .co_get_length = raw_get_length,
    .co_readv = raw_readv,
    .co_writev = raw_writev,
    .supports_fua = true, // the child makes it so
    .co_pwrite_zeroes = raw_pwrite_zeroes,
    .co_pdiscard = raw_pdiscard,
    .co_truncate = raw_truncate,
    .co_block_status = raw_block_status,
    .passes_debug_events = true,
};

} // namespace block
