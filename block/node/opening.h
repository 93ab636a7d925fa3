// The opening of one node: from its options to its driver and children. The object exists only
// during the opening.
#ifndef BLOCK_NODE_OPENING_H
#define BLOCK_NODE_OPENING_H

#include "block/graph.h"
#include "block/node/file-name.h"

#include <optional>

namespace block {

class __attribute__((visibility("hidden"))) Node::Opening {
public:
  // `parent`: the opening of the node that has this one as a child, or null.
  Opening(Inner& node, const Opening* parent, const Graph::OpenDefaults& defaults);

  // Returns the number of nodes above a node with this parent.
  static unsigned depth_below(const Opening* parent) { return parent ? parent->depth_ + 1 : 0; }

  // Opens the node that `options` describe. If no driver is given, the node's first bytes determine
  // it. After an error the driver is closed, and the caller must close the open children.
  Result<void> run(Options& options, bool driver_is_given);

  // The implementations of Node's functions of these names.
  Result<void> open_child(const std::string& child, Options& options, Access access);
  Result<void> open_backing(const std::string& filename, const std::string& format);

private:
  Result<void> take_generic_options(Options& options);
  Result<void> probe_driver(Options& options);
  Result<void> take_backing_options(Options& options);
  Result<void> finish(Options& options);

  Child& place_of(const std::string& child);
  Graph::OpenDefaults child_defaults(const Child& place) const;
  Result<void> open_image_backing(const std::string& filename, const std::string& format);
  Result<void> refuse_loop(const std::string& filename);
  bool can_write(const Node& child, Access access);
  // Makes `child` a child of the node; closes it on failure if it is `owned`.
  Result<void> keep(std::shared_ptr<Node> child, Child& place, bool owned, Access access);

  Inner& node_;
  const Opening* parent_;
  const Graph::OpenDefaults defaults_;
  const unsigned depth_;
  Options backing_definition_; // "backing" or "backing.*": a complete definition by the user
  Options backing_changes_;    // "backing.*" without a file: changes to the image's backing file
  // Identity of the node's file, to detect a loop of backing files.
  std::optional<FileIdentity> identity_;
};

} // namespace block

#endif
