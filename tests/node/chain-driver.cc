// Format "chain": "CHAIN\n", the backing file's name, a line feed, its format, a line feed. Reads
// come from the backing file.
#include "tests/node/chain-driver.h"

#include "block/graph.h"

#include <algorithm>
#include <cstring>

namespace block {

int chain_closes = 0;
bool chain_close_fails = false;

std::string chain_image(const std::string& backing, const std::string& format) {
  return "CHAIN\n" + backing + "\n" + format + "\n";
}

namespace {

int chain_probe(std::span<const std::byte> head) {
  return head.size() >= 6 && std::memcmp(head.data(), "CHAIN\n", 6) == 0 ? 100 : 0;
}

Result<void> chain_open(Node& node, Options& options) {
  Access access;
  access.write = !node.read_only();
  BLOCK_TRY(node.open_child("file", options, access));
  BLOCK_TRY_ASSIGN(const std::uint64_t length, node.file()->co_get_length());
  std::string text(std::min<std::uint64_t>(length, 4096), '\0');
  BLOCK_TRY(node.file()->co_readv(0, IoVector(text.data(), text.size())));
  if (!text.starts_with("CHAIN\n"))
    return Error(ErrorKind::invalid_argument, "Image is not in chain format");
  const std::size_t name_end = text.find('\n', 6);
  const std::string name = text.substr(6, name_end - 6);
  const std::string format =
      text.substr(name_end + 1, text.find('\n', name_end + 1) - name_end - 1);
  return name.empty() ? Result<void>() : node.open_backing(name, format);
}

Result<void> chain_close(Node&) {
  ++chain_closes;
  if (chain_close_fails) return Error(ErrorKind::io, "chain does not close well");
  return {};
}

Result<std::uint64_t> chain_get_length(Node& node) {
  return node.backing() ? node.backing()->co_get_length() : Result<std::uint64_t>(512u);
}

Result<void> chain_readv(Node& node, std::uint64_t offset, const IoVector& vector) {
  if (node.backing()) return node.backing()->co_readv(offset, vector);
  vector.fill(0, vector.size(), std::byte{0});
  return {};
}

Result<void> chain_writev(Node&, std::uint64_t, const IoVector&, WriteFlags) {
  return Error(ErrorKind::unsupported, "chain images hold nothing");
}

constexpr BlockDriver chain_driver = {
    .format_name = "chain",
    .supports_backing = true,
    .probe = chain_probe,
    .open = chain_open,
    .close = chain_close,
    .co_get_length = chain_get_length,
    .co_readv = chain_readv,
    .co_writev = chain_writev,
};

} // namespace

void register_chain_driver() {
  DriverRegistry::instance().add(chain_driver);
}

} // namespace block
