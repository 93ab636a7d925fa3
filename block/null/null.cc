// The protocol driver "null-co": discards writes and reads zeros. For measuring the layers above
// it.
#include "block/null/null.h"

#include "block/node.h"

namespace block {
namespace {

struct NullState {
  std::uint64_t size = 0; // bytes
  bool read_zeroes = true;
};

Result<void> null_open(Node& node, Options& options) {
  auto state = std::make_shared<NullState>();
  BLOCK_TRY_ASSIGN(state->size, options.take_size("size", std::uint64_t{1} << 30));
  // On by default, unlike in early QEMU: a read that leaves its buffer unchanged would show a
  // client the data of other requests.
  BLOCK_TRY_ASSIGN(state->read_zeroes, options.take_bool("read-zeroes", true));
  options.take("filename"); // "null-co://"
  node.set_filename("null-co://");
  node.set_state(std::move(state));
  return {};
}

Result<std::uint64_t> null_get_length(Node& node) {
  return node.state<NullState>().size;
}

Result<void> null_readv(Node& node, std::uint64_t, const IoVector& vector) {
  if (node.state<NullState>().read_zeroes) vector.fill(0, vector.size(), std::byte{0});
  return {};
}

Result<void> null_writev(Node&, std::uint64_t, const IoVector&, WriteFlags) {
  return {};
}

Result<void> null_pwrite_zeroes(Node&, std::uint64_t, std::uint64_t, ZeroFlags) {
  return {};
}

Result<BlockStatus> null_block_status(Node& node, std::uint64_t offset, std::uint64_t bytes) {
  BlockStatus status;
  status.bytes = bytes;
  status.allocated = true;
  status.zero = node.state<NullState>().read_zeroes;
  status.data = !status.zero;
  status.host_offset = offset;
  return status;
}

} // namespace

const BlockDriver null_driver = {
    .format_name = "null-co",
    .is_protocol = true,
    .open = null_open,
    .co_get_length = null_get_length,
    .co_readv = null_readv,
    .co_read_medium = null_readv, // there is no other medium
    .co_writev = null_writev,
    .supports_fua = true,
    .co_pwrite_zeroes = null_pwrite_zeroes,
    .co_block_status = null_block_status,
};

} // namespace block
