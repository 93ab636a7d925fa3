// The opening of one node: from its options to its driver and children. Lives only as long as that
// takes.
#ifndef BLOCK_NODE_OPENING_H
#define BLOCK_NODE_OPENING_H

#include "block/graph.h"
#include "block/node/file-name.h"

#include <optional>

namespace block {

class Node::Opening {
public:
  // `parent`: the opening of the node that has this one as a child, or null.
  Opening(Node& node, const Opening* parent, const Graph::OpenDefaults& defaults);

  // Nodes above one that has this parent.
  static unsigned depth_below(const Opening* parent) { return parent ? parent->depth_ + 1 : 0; }

  // Opens the node that `options` describe. Without a driver name, its first bytes choose the
  // driver. On an error, what is open stays for the caller to close, but the driver is closed.
  Result<void> run(Options& options, bool driver_is_given);

  // As Node's functions of these names.
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

  Node& node_;
  const Opening* parent_;
  const Graph::OpenDefaults defaults_;
  const unsigned depth_;
  Options backing_definition_; // "backing" or "backing.*": a whole description by the user
  Options backing_changes_;    // "backing.*" without a file: changes to what the image says
  std::optional<FileIdentity>
      identity_; // of the node's file, to notice a chain that bites its tail
};

// What the driver says now, checked. Node::co_get_length() gives what requests may use.
Result<std::uint64_t> length_of_driver(Node& node);

} // namespace block

#endif
