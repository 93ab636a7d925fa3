// Writes to a disk that was probed as raw because its first bytes matched no format.
//
// The writer of such a disk, for example a guest, could write the header of another format and so
// choose, at the next opening, a backing file of the host to read. So its first sector must not
// become such a header, unless the user specifies the format raw.
#include "block/graph.h"
#include "block/node/foreign-format.h"
#include "block/node/inner.h"

#include <algorithm>
#include <array>

namespace block {
namespace {

constexpr std::uint64_t guarded_bytes = 512;

} // namespace

bool Node::Inner::touches_guarded_head(std::uint64_t offset) const {
  return probed_as_raw_ && offset < guarded_bytes;
}

Result<void> Node::Inner::write_guarded_head(std::uint64_t offset, const IoVector& vector,
                                             WriteFlags flags) {
  // Held over the write, so that two writes cannot form a header from two harmless halves.
  std::lock_guard hold(guarded_head_mutex_);
  std::array<std::byte, guarded_bytes> head{};
  BLOCK_TRY_ASSIGN(const std::uint64_t length, co_get_length());
  const std::uint64_t present = std::min(length, guarded_bytes);
  BLOCK_TRY(read({"co_readv", driver_->co_readv}, 0, IoVector(head.data(), present)));
  const std::uint64_t covered = std::min(vector.size(), guarded_bytes - offset);
  vector.copy_to(0, std::span(head).subspan(offset, covered));
  BLOCK_TRY_ASSIGN(const BlockDriver* format,
                   DriverRegistry::instance().probe(std::span(head).first(present)));
  const std::string name =
      format != driver_ ? format->format_name : foreign_format(std::span(head).first(present), "");
  if (!name.empty())
    return Error(ErrorKind::permission, "Write would make the disk look like format '" + name +
                                            "', because its format was probed and not given")
        .with_hint("Specify the 'raw' format explicitly to remove this restriction.");
  return write_unaligned(offset, vector, flags);
}

} // namespace block
