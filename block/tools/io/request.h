// Requests with the rules that every command shares: bounds, vectors, cache mode.
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
  std::uint64_t bytes = 0; // in all
  std::vector<std::uint64_t> segments;

  // Memory for the whole range, cut into the segments.
  block::IoVector vector_over(block::AlignedBuffer& buffer) const;
};

// "OFFSET LENGTH [LENGTH]...": what is wrong is reported on stdout.
std::optional<Range> parse_range(const std::string& offset, const std::string* lengths,
                                 std::size_t count);

// The requests of the commands. Writes are durable at once with a write-through cache mode or
// `fua`. An empty range always succeeds.
block::Result<void> read_range(Session& session, const Range& range, block::AlignedBuffer& buffer);
block::Result<void> write_range(Session& session, const Range& range, block::AlignedBuffer& buffer,
                                bool fua);
block::Result<void> zero_range(Session& session, std::uint64_t offset, std::uint64_t bytes,
                               block::ZeroFlags flags);
block::Result<void> discard_range(Session& session, std::uint64_t offset, std::uint64_t bytes);

} // namespace tools::io

#endif
