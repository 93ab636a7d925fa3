// The state of a node of the file driver.
#ifndef BLOCK_FILE_STATE_H
#define BLOCK_FILE_STATE_H

#include "block/file/medium.h"
#include "block/file/sync.h"
#include "block/node.h"
#include "block/util/descriptor.h"

#include <atomic>

namespace block {

struct FileState {
  Descriptor descriptor;
  bool is_device = false; // a block device; else a regular file
  bool direct = false;    // opened with O_DIRECT
  FileSync sync;          // open only if the node is writable
  MediumReader medium;
  // False after the file system refused the operation once; it is not tried again.
  std::atomic<bool> can_punch_holes{true};
  std::atomic<bool> can_zero_ranges{true};
};

inline FileState& file_state(Node& node) {
  return node.state<FileState>();
}

// Requests: io.cc and space.cc.
Result<std::uint64_t> file_get_length(Node& node);
Result<void> file_readv(Node& node, std::uint64_t offset, const IoVector& vector);
Result<void> file_read_medium(Node& node, std::uint64_t offset, const IoVector& vector);
Result<void> file_writev(Node& node, std::uint64_t offset, const IoVector& vector,
                         WriteFlags flags);
Result<void> file_flush(Node& node);
Result<void> file_pwrite_zeroes(Node& node, std::uint64_t offset, std::uint64_t bytes,
                                ZeroFlags flags);
Result<void> file_pdiscard(Node& node, std::uint64_t offset, std::uint64_t bytes);
Result<void> file_truncate(Node& node, std::uint64_t length, Preallocation preallocation);
Result<BlockStatus> file_block_status(Node& node, std::uint64_t offset, std::uint64_t bytes);

} // namespace block

#endif
