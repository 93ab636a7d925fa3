// ConvertSource: images, concatenated.
#include "block/tools/img/convert-source.h"

#include "block/sector.h"

#include <algorithm>

namespace tools::img {

using block::Result;

namespace {
using block::sector_bytes;
}

Result<void> ConvertSource::append(block::Node& node) {
  BLOCK_TRY_ASSIGN(std::uint64_t bytes, node.co_get_length());
  if (bytes > INT64_MAX - length_ - sector_bytes)
    return block::Error(block::ErrorKind::invalid_argument, "the inputs are too large together");
  Part part{&node, length_, bytes,
            length_ + (bytes + sector_bytes - 1) / sector_bytes * sector_bytes};
  length_ = part.end;
  parts_.push_back(part);
  return {};
}

const ConvertSource::Part& ConvertSource::part_at(std::uint64_t offset) const {
  return *std::ranges::find_if(parts_, [offset](const Part& part) { return offset < part.end; });
}

Result<block::CopySource::Run> ConvertSource::run_at(std::uint64_t offset,
                                                     std::uint64_t bytes) const {
  const Part& part = part_at(offset);
  std::uint64_t within = offset - part.start;
  if (within >= part.length) return Run{Kind::zero, std::min(bytes, part.end - offset)};
  bytes = std::min(bytes, part.length - within);
  block::BlockStatus status;
  if (top_layer_only_) {
    BLOCK_TRY_ASSIGN(status, part.node->co_block_status(within, bytes));
    if (!status.allocated && !status.zero) return Run{Kind::skip, status.bytes};
  } else {
    BLOCK_TRY_ASSIGN(block::ChainStatus found, part.node->co_chain_status(within, bytes));
    status = found.status;
  }
  return Run{status.zero ? Kind::zero : Kind::data, status.bytes};
}

Result<void> ConvertSource::read(std::uint64_t offset, std::span<std::byte> data) const {
  const Part& part = part_at(offset);
  return part.node->co_readv(offset - part.start, block::IoVector(data.data(), data.size()));
}

} // namespace tools::img
