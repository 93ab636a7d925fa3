// Requests that a driver does not accept unchanged: too long, not aligned, or zeros for a driver
// that cannot write zeros.
#include "block/node/inner.h"
#include "block/util/aligned-buffer.h"

#include <algorithm>
#include <cstring>

namespace block {
namespace {

// The source of zero bytes. It is never written itself, so it takes address space and no memory.
constexpr std::size_t zero_buffer_bytes = 1024 * 1024;
alignas(AlignedBuffer::alignment) std::byte zero_buffer[zero_buffer_bytes];

} // namespace

// Calls request(position, piece) for pieces of at most `max_bytes`, as one vector each.
template <typename Request>
static Result<void> in_pieces(const IoVector& vector, std::uint64_t max_bytes, Request request) {
  if (vector.size() <= max_bytes) return request(std::uint64_t{0}, vector);
  for (std::uint64_t position = 0; position < vector.size(); position += max_bytes) {
    const std::uint64_t bytes = std::min(max_bytes, vector.size() - position);
    BLOCK_TRY(request(position, vector.slice(position, bytes)));
  }
  return {};
}

Result<void> Node::Inner::read_pieces(Read kind, std::uint64_t offset, const IoVector& vector) {
  return in_pieces(vector, limits_.max_transfer, [&](std::uint64_t position, const IoVector& part) {
    return call_request(kind.name, kind.entry, offset + position, part);
  });
}

Result<void> Node::Inner::write_pieces(std::uint64_t offset, const IoVector& vector,
                                       WriteFlags flags) {
  return in_pieces(vector, limits_.max_transfer, [&](std::uint64_t position, const IoVector& part) {
    return write_piece(offset + position, part, flags);
  });
}

Result<void> Node::Inner::read_unaligned(Read kind, std::uint64_t offset, const IoVector& vector) {
  const std::uint64_t align = limits_.request_alignment;
  const std::uint64_t head = offset % align;
  const std::uint64_t tail = (align - (offset + vector.size()) % align) % align;
  AlignedBuffer edges(head + tail);
  IoVector padded(edges.data(), head);
  padded.append(vector);
  padded.append(IoVector(edges.data() + head, tail));
  return read_pieces(kind, offset - head, padded);
}

// Reads the block that a write covers in part. A block beyond the end is zeros.
Result<void> Node::Inner::read_edge(std::uint64_t block, std::span<std::byte> memory) {
  if (block >= length_.load(std::memory_order_relaxed)) {
    std::memset(memory.data(), 0, memory.size());
    return {};
  }
  return call_request("co_readv", driver_->co_readv, block, IoVector(memory.data(), memory.size()));
}

Result<void> Node::Inner::write_unaligned(std::uint64_t offset, const IoVector& vector,
                                          WriteFlags flags) {
  if (!write_ranges_) return write_pieces(offset, vector, flags);

  const std::uint64_t align = limits_.request_alignment;
  const std::uint64_t end = offset + vector.size();
  const std::uint64_t first = offset / align * align;
  const std::uint64_t stop = (end + align - 1) / align * align;
  const bool whole_blocks = first == offset && stop == end;
  RangeLock::Guard guard(*write_ranges_, first, stop,
                         whole_blocks ? RangeLock::Mode::shared : RangeLock::Mode::exclusive);
  if (whole_blocks) return write_pieces(offset, vector, flags);

  // One buffer for the first block and one for the last, which may be the same block.
  const std::uint64_t last = stop - align;
  AlignedBuffer edges(2 * align);
  std::span<std::byte> first_block = edges.span().subspan(0, align);
  std::span<std::byte> last_block = edges.span().subspan(align, align);
  if (first != offset) BLOCK_TRY(read_edge(first, first_block));
  if (stop != end) {
    if (first == last && first != offset)
      last_block = first_block;
    else
      BLOCK_TRY(read_edge(last, last_block));
  }
  IoVector padded(first_block.data(), offset - first);
  padded.append(vector);
  padded.append(IoVector(last_block.data() + (end - last), stop - end));
  return write_pieces(first, padded, flags);
}

Result<void> Node::Inner::write_zeroes(std::uint64_t offset, std::uint64_t bytes, ZeroFlags flags) {
  BLOCK_TRY(check_write(offset, bytes, "write zeros"));
  const bool flush_after = flags.fua && (!driver_->supports_fua || cache_no_flush_);
  if (flush_after) flags.fua = false;
  if (!discard_) flags.may_unmap = false;
  if (bytes > 0) {
    // Blocks that the range covers in part need read-modify-write; the driver writes the zeros of
    // the rest.
    const std::uint64_t align = limits_.request_alignment;
    const std::uint64_t end = offset + bytes;
    const std::uint64_t begin_whole = std::min((offset + align - 1) / align * align, end);
    const std::uint64_t end_whole = std::max(end / align * align, begin_whole);
    BLOCK_TRY(write_zero_bytes(offset, begin_whole - offset));
    if (end_whole > begin_whole)
      BLOCK_TRY(write_zeroes_aligned(begin_whole, end_whole - begin_whole, flags));
    BLOCK_TRY(write_zero_bytes(end_whole, end - end_whole));
  }
  return flush_after || (flags.fua && !aligned(offset, bytes)) ? flush() : Result<void>();
}

Result<void> Node::Inner::write_zeroes_aligned(std::uint64_t offset, std::uint64_t bytes,
                                               ZeroFlags flags) {
  if (driver_->co_pwrite_zeroes) {
    std::optional<RangeLock::Guard> guard;
    if (write_ranges_)
      guard.emplace(*write_ranges_, offset, offset + bytes, RangeLock::Mode::shared);
    Result<void> done =
        call_request("co_pwrite_zeroes", driver_->co_pwrite_zeroes, offset, bytes, flags);
    if (done && limits_.grows_on_write) raise_length(offset + bytes);
    if (done || done.error().kind() != ErrorKind::unsupported) return done;
  }
  if (flags.no_fallback)
    return Error(ErrorKind::unsupported, "Node '" + name_ + "' cannot write zeros efficiently");
  BLOCK_TRY(write_zero_bytes(offset, bytes));
  return flags.fua ? flush() : Result<void>();
}

Result<void> Node::Inner::write_zero_bytes(std::uint64_t offset, std::uint64_t bytes) {
  while (bytes > 0) {
    const std::uint64_t piece = std::min<std::uint64_t>(bytes, zero_buffer_bytes);
    BLOCK_TRY(write_unaligned(offset, IoVector(zero_buffer, piece), {}));
    offset += piece;
    bytes -= piece;
  }
  return {};
}

} // namespace block
