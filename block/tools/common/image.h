// Opens images that a command line names.
#ifndef BLOCK_TOOLS_COMMON_IMAGE_H
#define BLOCK_TOOLS_COMMON_IMAGE_H

#include "block/graph.h"

#include <memory>
#include <string>

namespace tools {

// An image as the user names it.
struct ImageName {
  std::string name;        // a path, "file:...", "json:{...}", or options with image_opts
  std::string format;      // -f; empty = probe
  bool image_opts = false; // --image-opts: the name is a list of node options
};

// A cache mode, as --cache and -t name it.
struct CacheMode {
  bool write_through = false; // every write is durable when it returns
  bool direct = false;        // the host's page cache is bypassed
  bool no_flush = false;      // "unsafe": flush requests are not passed on
};
// Parses none, off, directsync, writeback, writethrough or unsafe. Errors: invalid_argument.
block::Result<CacheMode> parse_cache_mode(const std::string& text);

struct ImageUse {
  bool write = false;
  bool force_share = false; // -U; needs write = false
  bool no_backing = false;  // do not open backing files
  bool for_check = false;   // only Node::check() will be called
  CacheMode cache = {};
};

// An open node and the program's claim on it. The destructor ends the claim and leaves the node
// open; Graph::close_all() closes it.
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

// Returns the options that a name stands for. Errors: unknown protocol, malformed JSON or option
// list.
block::Result<block::Options> options_of(const ImageName& name);

// Errors: those of options_of(), Graph::open() and Node::attach(), without the image's name. Prints
// a warning if the image is opened for writing and its format was probed to be raw.
block::Result<Image> open_image(block::Graph& graph, const ImageName& name, const ImageUse& use);
// The same for options that the caller made.
block::Result<Image> open_image(block::Graph& graph, block::Options options, const ImageUse& use);

} // namespace tools

#endif
