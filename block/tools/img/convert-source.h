// The input of a conversion: one or more images, one after the other.
#ifndef BLOCK_TOOLS_IMG_CONVERT_SOURCE_H
#define BLOCK_TOOLS_IMG_CONVERT_SOURCE_H

#include "block/node.h"

#include <span>
#include <vector>

namespace tools::img {

class ConvertSource {
public:
  enum class Kind {
    data,    // has to be read
    zero,    // reads as zeros
    backing, // left to the backing file; only with top_layer_only
  };
  struct Run {
    Kind kind = Kind::zero;
    std::uint64_t bytes = 0;
  };

  // top_layer_only: what the image itself has not allocated is Kind::backing, instead of being
  // looked up in its backing files.
  explicit ConvertSource(bool top_layer_only) : top_layer_only_(top_layer_only) {}

  // Adds an image behind those that are there. The node must stay open. It begins at a multiple of
  // 512 bytes; what is missing to that reads as zeros.
  block::Result<void> append(block::Node& node);

  // Bytes in all, a multiple of 512.
  std::uint64_t length() const { return length_; }
  // The run at `offset`, which is less than length(); at most `bytes` long. Any thread.
  block::Result<Run> run_at(std::uint64_t offset, std::uint64_t bytes) const;
  // Reads a range that lies within one run of data. Any thread.
  block::Result<void> read(std::uint64_t offset, std::span<std::byte> data) const;

private:
  struct Part {
    block::Node* node;
    std::uint64_t start;  // within the whole
    std::uint64_t length; // bytes that the node has
    std::uint64_t end;    // start of the next part
  };
  const Part& part_at(std::uint64_t offset) const;

  bool top_layer_only_;
  std::vector<Part> parts_;
  std::uint64_t length_ = 0;
};

} // namespace tools::img

#endif
