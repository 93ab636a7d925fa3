// A whole driver written from include/ alone: a format that keeps every byte of the disk in its
// file exclusive-or a key. docs/developer/drivers.md explains it piece by piece.
#include "block/module.h"
#include "block/node.h"

#include <algorithm>
#include <memory>
#include <vector>

namespace {

using block::Error;
using block::ErrorKind;
using block::IoVector;
using block::Node;
using block::Options;
using block::Result;

constexpr std::size_t buffer_bytes = 64 * 1024;

struct XorState {
  std::byte key;
};

Result<void> xor_open(Node& node, Options& options) {
  BLOCK_TRY_ASSIGN(const std::uint64_t key, options.take_number("key", 0));
  if (key == 0 || key > 255)
    return Error(ErrorKind::invalid_argument, "Option 'key' must be given, from 1 to 255");
  block::Access access;
  access.write = !node.read_only();
  BLOCK_TRY(node.open_child("file", options, access));
  node.limits().max_transfer = buffer_bytes;
  node.set_state(std::make_shared<XorState>(XorState{static_cast<std::byte>(key)}));
  return {};
}

void encode(std::span<std::byte> data, std::byte key) {
  for (std::byte& byte : data)
    byte ^= key;
}

Result<std::uint64_t> xor_get_length(Node& node) {
  return node.file()->co_get_length();
}

Result<void> xor_readv(Node& node, std::uint64_t offset, const IoVector& vector) {
  BLOCK_TRY(node.file()->co_readv(offset, vector));
  for (const iovec& segment : vector.segments())
    encode({static_cast<std::byte*>(segment.iov_base), segment.iov_len},
           node.state<XorState>().key);
  return {};
}

Result<void> xor_writev(Node& node, std::uint64_t offset, const IoVector& vector,
                        block::WriteFlags flags) {
  // The caller's memory is not ours to change.
  std::vector<std::byte> encoded(vector.size());
  vector.copy_to(0, encoded);
  encode(encoded, node.state<XorState>().key);
  return node.file()->co_writev(offset, IoVector(encoded.data(), encoded.size()), flags);
}

constexpr block::BlockDriver xor_driver = {
    .format_name = "xor",
    .open = xor_open,
    .co_get_length = xor_get_length,
    .co_readv = xor_readv,
    .co_writev = xor_writev,
    .supports_fua = true,
};

} // namespace

BLOCK_MODULE(xor_driver)
