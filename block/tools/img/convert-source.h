// The input of a conversion: one or more images, concatenated.
#ifndef BLOCK_TOOLS_IMG_CONVERT_SOURCE_H
#define BLOCK_TOOLS_IMG_CONVERT_SOURCE_H

#include "block/job/copy-source.h"
#include "block/node.h"

#include <vector>

namespace tools::img {

class ConvertSource final : public block::CopySource {
public:
  // top_layer_only: clusters that the image itself has not allocated are Kind::skip. Otherwise they
  // are looked up in the backing files.
  explicit ConvertSource(bool top_layer_only) : top_layer_only_(top_layer_only) {}

  // Appends an image. The node must stay open. Each image begins at a multiple of 512 bytes; a gap
  // before it reads as zeros.
  block::Result<void> append(block::Node& node);

  // Total length in bytes, a multiple of 512.
  std::uint64_t length() const override { return length_; }
  block::Result<Run> run_at(std::uint64_t offset, std::uint64_t bytes) const override;
  block::Result<void> read(std::uint64_t offset, std::span<std::byte> data) const override;

private:
  struct Part {
    block::Node* node;
    std::uint64_t start;  // offset within the concatenation
    std::uint64_t length; // length of the node in bytes
    std::uint64_t end;    // start of the next part
  };
  const Part& part_at(std::uint64_t offset) const;

  bool top_layer_only_;
  std::vector<Part> parts_;
  std::uint64_t length_ = 0;
};

} // namespace tools::img

#endif
