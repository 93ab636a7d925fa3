// The driver tables of "memory" and "memory-plain", which pass every request to a MemoryFile.
#include "tests/support/memory-driver.h"

#include "tests/support/memory-file.h"

#include "block/graph.h"

namespace block {
namespace {

struct MemoryState {
  std::shared_ptr<MemoryFile> file;
};

MemoryFile& file_of(Node& node) {
  return *node.state<MemoryState>().file;
}

std::string name_of(const std::string& filename) {
  const std::string prefix = "memory:";
  return filename.starts_with(prefix) ? filename.substr(prefix.size()) : filename;
}

Result<std::string> memory_create(const std::string& filename, Options&) {
  const std::shared_ptr<MemoryFile> file = MemoryFile::find(name_of(filename));
  if (!file)
    return Error(ErrorKind::not_found, "There is no memory file '" + name_of(filename) + "'");
  file->set_content({});
  return std::string();
}

Result<void> memory_open(Node& node, Options& options) {
  auto state = std::make_shared<MemoryState>();
  const std::string name = name_of(options.take("filename").value_or(""));
  state->file = MemoryFile::find(name);
  if (!state->file) return Error(ErrorKind::not_found, "There is no memory file '" + name + "'");
  BLOCK_TRY_ASSIGN(const std::uint64_t align, options.take_size("align", 1));
  BLOCK_TRY_ASSIGN(node.limits().max_transfer,
                   options.take_size("max-transfer", node.limits().max_transfer));
  node.limits().request_alignment = static_cast<std::uint32_t>(align);
  node.limits().opt_transfer = node.limits().request_alignment;
  node.limits().grows_on_write = true;
  node.set_filename(name);
  node.set_state(std::move(state));
  return {};
}

Result<std::uint64_t> memory_get_length(Node& node) {
  return file_of(node).length();
}

Result<void> memory_readv(Node& node, std::uint64_t offset, const IoVector& vector) {
  return file_of(node).driver_read(offset, vector);
}

Result<void> memory_read_medium(Node& node, std::uint64_t offset, const IoVector& vector) {
  return file_of(node).driver_read_medium(offset, vector);
}

Result<void> memory_writev(Node& node, std::uint64_t offset, const IoVector& vector,
                           WriteFlags flags) {
  return file_of(node).driver_write(offset, vector, flags.fua);
}

Result<void> memory_pwrite_zeroes(Node& node, std::uint64_t offset, std::uint64_t bytes,
                                  ZeroFlags flags) {
  return file_of(node).driver_zero(offset, bytes, flags.fua);
}

Result<void> memory_pdiscard(Node& node, std::uint64_t offset, std::uint64_t bytes) {
  return file_of(node).driver_discard(offset, bytes);
}

Result<void> memory_truncate(Node& node, std::uint64_t length, Preallocation) {
  return file_of(node).driver_truncate(length);
}

Result<void> memory_flush(Node& node) {
  return file_of(node).driver_flush();
}

void memory_debug_event(Node& node, DebugEvent event) {
  file_of(node).driver_event(event);
}

constexpr DebugOperations memory_debug = {.event = memory_debug_event};

constexpr BlockDriver memory_driver = {
    .format_name = "memory",
    .is_protocol = true,
    .create_file = memory_create,
    .open = memory_open,
    .co_get_length = memory_get_length,
    .co_readv = memory_readv,
    .co_read_medium = memory_read_medium,
    .co_writev = memory_writev,
    .supports_fua = true,
    .co_flush = memory_flush,
    .co_pwrite_zeroes = memory_pwrite_zeroes,
    .co_pdiscard = memory_pdiscard,
    .co_truncate = memory_truncate,
    .debug = &memory_debug,
};

constexpr BlockDriver memory_plain_driver = {
    .format_name = "memory-plain",
    .is_protocol = true,
    .open = memory_open,
    .co_get_length = memory_get_length,
    .co_readv = memory_readv,
    .co_writev = memory_writev,
    .co_flush = memory_flush,
};

} // namespace

void register_memory_driver() {
  DriverRegistry::instance().add(memory_driver);
  DriverRegistry::instance().add(memory_plain_driver);
}

} // namespace block
