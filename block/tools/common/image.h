// Opening an image the way a command line names it.
#ifndef BLOCK_TOOLS_COMMON_IMAGE_H
#define BLOCK_TOOLS_COMMON_IMAGE_H

#include "block/graph.h"

#include <memory>
#include <string>

namespace tools {

// What the user wrote.
struct ImageName {
  std::string name;        // a path, "file:...", "json:{...}", or options with image_opts
  std::string format;      // -f; empty = probe
  bool image_opts = false; // --image-opts: the name is a list of node options
};

// --cache / -t.
struct CacheMode {
  bool write_through = false; // every write is durable when it returns
  bool direct = false;        // the host's page cache is bypassed
  bool no_flush = false;      // "unsafe": flush requests are not passed on
};
// none, off, directsync, writeback, writethrough, unsafe. Errors: invalid_argument.
block::Result<CacheMode> parse_cache_mode(const std::string& text);

struct ImageUse {
  bool write = false;
  bool force_share = false; // -U; needs write = false
  bool no_backing = false;  // leave backing files closed
  bool for_check = false;   // only Node::check() will be called
  CacheMode cache = {};
};

// An open node and our claim on it. Ends the claim, not the node: Graph::close_all() does that.
class Image {
public:
  Image() = default;
  Image(std::shared_ptr<block::Node> node, block::Node::Attachment claim)
      : node_(std::move(node)), claim_(std::move(claim)) {}

  explicit operator bool() const { return node_ != nullptr; }
  block::Node& node() const { return *node_; }
  block::Node* operator->() const { return node_.get(); }

private:
  std::shared_ptr<block::Node> node_;
  block::Node::Attachment claim_;
};

// The options that a name stands for. Errors: unknown protocol, malformed json or option list.
block::Result<block::Options> options_of(const ImageName& name);

// Errors: what options_of, Graph::open and Node::attach say, without the image's name. A format
// that was probed to be raw is warned about when the image is opened for writing.
block::Result<Image> open_image(block::Graph& graph, const ImageName& name, const ImageUse& use);
// The same from options that the caller made.
block::Result<Image> open_image(block::Graph& graph, block::Options options, const ImageUse& use);

} // namespace tools

#endif
