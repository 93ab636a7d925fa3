// Requests with the rules that all commands share: bounds, vectors, cache mode.
#ifndef BLOCK_TOOLS_IO_REQUEST_H
#define BLOCK_TOOLS_IO_REQUEST_H

#include "block/tools/io/session.h"
#include "block/util/aligned-buffer.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tools::io {

// A range of the image and the lengths of the vector's segments.
struct Range {
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0; // total length
  std::vector<std::uint64_t> segments;

  // Returns a vector over the buffer, which must have `bytes` bytes, divided into the segments.
  block::IoVector vector_over(block::AlignedBuffer& buffer) const;
};

// Parses "OFFSET LENGTH [LENGTH]...". Errors are printed on stdout.
std::optional<Range> parse_range(const std::string& offset, const std::string* lengths,
                                 std::size_t count);

// The requests of the commands. With `fua` or a write-through cache mode, a write is durable when
// it returns. An empty range always succeeds.
block::Result<void> read_range(Session& session, const Range& range, block::AlignedBuffer& buffer);
block::Result<void> write_range(Session& session, const Range& range, block::AlignedBuffer& buffer,
                                bool fua);
block::Result<void> zero_range(Session& session, std::uint64_t offset, std::uint64_t bytes,
                               block::ZeroFlags flags);
block::Result<void> discard_range(Session& session, std::uint64_t offset, std::uint64_t bytes);

} // namespace tools::io

#endif
