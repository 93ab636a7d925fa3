// Image names and the files behind them.
#include "block/tools/common/file-names.h"

#include "block/graph.h"

#include <sys/stat.h>

namespace tools {
bool is_json_name(const std::string& name) {
  return name.starts_with("json:");
}

block::Result<void> check_protocol(const std::string& name) {
  std::string protocol = block::protocol_of(name);
  if (protocol.empty() || block::DriverRegistry::instance().find(protocol)) return {};
  return block::Error(block::ErrorKind::not_found, "Unknown protocol '" + protocol + "'");
}

std::optional<std::uint64_t> allocated_bytes(const std::string& path) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) return std::nullopt;
  return static_cast<std::uint64_t>(status.st_blocks) * 512;
}

std::optional<std::uint64_t> file_length(const std::string& path) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) return std::nullopt;
  return static_cast<std::uint64_t>(status.st_size);
}

} // namespace tools
