// Requests that the commands share.
#include "block/tools/io/request.h"

#include "block/tools/io/report.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>

namespace tools::io {

using block::Error;
using block::ErrorKind;
using block::Result;

namespace {

// Writes to the image the data that was read from its backing file.
Result<void> copy_up(block::Node& node, const Range& range, const block::IoVector& vector) {
  if (!node.backing()) return {};
  for (std::uint64_t done = 0; done < range.bytes;) {
    BLOCK_TRY_ASSIGN(block::BlockStatus status,
                     node.co_block_status(range.offset + done, range.bytes - done));
    std::uint64_t run = std::min(status.bytes, range.bytes - done);
    if (run == 0) return Error(ErrorKind::io, "the image reports a run of no bytes");
    if (!status.allocated) BLOCK_TRY(node.co_writev(range.offset + done, vector.slice(done, run)));
    done += run;
  }
  return {};
}

} // namespace

block::IoVector Range::vector_over(block::AlignedBuffer& buffer) const {
  std::vector<iovec> pieces;
  std::byte* position = buffer.data();
  for (std::uint64_t segment : segments) {
    pieces.push_back({position, segment});
    position += segment;
  }
  return block::IoVector(std::move(pieces));
}

std::optional<Range> parse_range(const std::string& offset, const std::string* lengths,
                                 std::size_t count) {
  Range range;
  std::optional<std::uint64_t> start = parse_number(offset);
  if (!start) return std::nullopt;
  range.offset = *start;
  for (std::size_t i = 0; i < count; ++i) {
    std::optional<std::uint64_t> length = parse_number(lengths[i]);
    if (!length) return std::nullopt;
    if (*length > largest_request) {
      std::printf("Argument '%s' exceeds maximum size %" PRIu64 "\n", lengths[i].c_str(),
                  largest_request);
      return std::nullopt;
    }
    if (*length > largest_request - range.bytes) {
      std::printf("The total number of bytes exceed the maximum size %" PRIu64 "\n",
                  largest_request);
      return std::nullopt;
    }
    range.segments.push_back(*length);
    range.bytes += *length;
  }
  return range;
}

Result<void> read_range(Session& session, const Range& range, block::AlignedBuffer& buffer) {
  block::Node& node = session.node();
  if (range.bytes == 0) return {};
  block::IoVector vector = range.vector_over(buffer);
  BLOCK_TRY(node.co_readv(range.offset, vector));
  if (session.copies_on_read()) return copy_up(node, range, vector);
  return {};
}

Result<void> write_range(Session& session, const Range& range, block::AlignedBuffer& buffer,
                         bool fua) {
  if (range.bytes == 0) return {};
  return session.node().co_writev(range.offset, range.vector_over(buffer),
                                  {.fua = fua || session.cache().write_through});
}

Result<void> zero_range(Session& session, std::uint64_t offset, std::uint64_t bytes,
                        block::ZeroFlags flags) {
  if (bytes == 0) return {};
  flags.fua |= session.cache().write_through;
  return session.node().co_pwrite_zeroes(offset, bytes, flags);
}

Result<void> discard_range(Session& session, std::uint64_t offset, std::uint64_t bytes) {
  if (bytes == 0) return {};
  return session.node().co_pdiscard(offset, bytes);
}

} // namespace tools::io
