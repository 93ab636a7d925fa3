// Requests of the file driver for content: read, write, flush.
#include "block/file/bounce.h"
#include "block/file/state.h"
#include "block/file/transfer.h"

#include <algorithm>
#include <cerrno>
#include <sys/stat.h>
#include <unistd.h>

namespace block {
namespace {

// O_DIRECT needs aligned memory as well as aligned offsets.
bool needs_bounce(const FileState& file, const IoVector& vector, std::uint32_t align) {
  if (!file.direct) return false;
  return std::any_of(vector.segments().begin(), vector.segments().end(), [&](const iovec& segment) {
    return ((reinterpret_cast<std::uintptr_t>(segment.iov_base) | segment.iov_len) & (align - 1)) !=
           0;
  });
}

// Fills the rest of a short read with zeros if the file ends within the last aligned block. Returns
// an error if more than that is missing.
Result<void> expect_complete(Node& node, std::uint64_t offset, const IoVector& vector,
                             std::uint64_t got) {
  const std::uint64_t missing = vector.size() - got;
  if (missing == 0) return {};
  if (missing >= node.limits().request_alignment)
    return Error(ErrorKind::io, "read failed: the file '" + node.filename() + "' ends at offset " +
                                    std::to_string(offset + got));
  vector.fill(got, missing, std::byte{0});
  return {};
}

} // namespace

Result<std::uint64_t> file_get_length(Node& node) {
  FileState& file = file_state(node);
  if (file.is_device) {
    const off_t end = lseek(file.descriptor.get(), 0, SEEK_END);
    if (end < 0) return Error::from_errno(errno, "Could not get the size of the device");
    return static_cast<std::uint64_t>(end);
  }
  struct stat status;
  if (fstat(file.descriptor.get(), &status) != 0)
    return Error::from_errno(errno, "Could not get the size of the file");
  return static_cast<std::uint64_t>(status.st_size);
}

Result<void> file_readv(Node& node, std::uint64_t offset, const IoVector& vector) {
  FileState& file = file_state(node);
  if (!needs_bounce(file, vector, node.limits().request_alignment)) {
    BLOCK_TRY_ASSIGN(const std::uint64_t got, read_fully(file.descriptor.get(), offset, vector));
    return expect_complete(node, offset, vector, got);
  }
  BounceBuffer bounce(vector.size());
  for (std::uint64_t done = 0; done < vector.size(); done += bounce.size()) {
    const std::uint64_t bytes = std::min<std::uint64_t>(bounce.size(), vector.size() - done);
    const IoVector piece(bounce.data(), bytes);
    BLOCK_TRY_ASSIGN(const std::uint64_t got,
                     read_fully(file.descriptor.get(), offset + done, piece));
    BLOCK_TRY(expect_complete(node, offset + done, piece, got));
    vector.copy_from(done, bounce.span().first(bytes));
  }
  return {};
}

Result<void> file_read_medium(Node& node, std::uint64_t offset, const IoVector& vector) {
  FileState& file = file_state(node);
  BLOCK_TRY_ASSIGN(const std::uint64_t got,
                   file.medium.read(file.descriptor.get(), file.is_device, offset, vector));
  return expect_complete(node, offset, vector, got);
}

Result<void> file_writev(Node& node, std::uint64_t offset, const IoVector& vector,
                         WriteFlags flags) {
  FileState& file = file_state(node);
  if (flags.fua) BLOCK_TRY(file.sync.failure());
  // With O_DIRECT, the write itself returns its error. Through the page cache, the kernel may
  // report the error to another such write instead, so a sync() follows.
  const bool durable = flags.fua && file.direct;
  if (!needs_bounce(file, vector, node.limits().request_alignment)) {
    BLOCK_TRY(write_fully(file.descriptor.get(), offset, vector, durable));
  } else {
    BounceBuffer bounce(vector.size());
    for (std::uint64_t done = 0; done < vector.size(); done += bounce.size()) {
      const std::uint64_t bytes = std::min<std::uint64_t>(bounce.size(), vector.size() - done);
      vector.copy_to(done, bounce.span().first(bytes));
      BLOCK_TRY(write_fully(file.descriptor.get(), offset + done, IoVector(bounce.data(), bytes),
                            durable));
    }
  }
  return flags.fua && !durable ? file.sync.sync() : Result<void>();
}

Result<void> file_flush(Node& node) {
  return file_state(node).sync.sync();
}

} // namespace block
