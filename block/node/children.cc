// A node's children while it is opened: "file", "backing" as the user or the image specifies it,
// and children that only one driver has.
#include "block/node/inner.h"
#include "block/node/opening.h"

namespace block {

Result<void> Node::open_child(const std::string& child, Options& options, Access access) {
  return Inner::of(*this).opening_->open_child(child, options, access);
}

Result<void> Node::open_backing(const std::string& filename, const std::string& format) {
  return Inner::of(*this).opening_->open_backing(filename, format);
}

Result<void> Node::Opening::open_child(const std::string& child, Options& options, Access access) {
  Child& place = place_of(child);
  if (Attachment& attachment = place.attachment; attachment.node()) { // opened to be probed
    access.write = can_write(*attachment.node(), access);
    BLOCK_TRY_ASSIGN(attachment,
                     attach(attachment.shared_node(), "node '" + node_.name_ + "'", access));
    return {};
  }
  const std::optional<std::string> reference = options.take(child);
  Options definition = options.take_children(child);
  if (reference && !definition.empty())
    return Error(ErrorKind::invalid_argument,
                 "'" + child + "' is a reference to a node and a definition at once");
  if (!reference && definition.empty())
    return Error(ErrorKind::invalid_argument,
                 "A block device must be specified for \"" + child + "\"");
  if (reference) {
    std::shared_ptr<Node> found = node_.graph_.find(*reference);
    if (!found)
      return Error(ErrorKind::not_found, "Failed to find node with node-name='" + *reference + "'");
    return keep(std::move(found), place, false, access);
  }
  auto filename = definition.entries().find("filename");
  if (&place != &node_.backing_ && filename != definition.entries().end()) {
    const std::string protocol = protocol_of(filename->second);
    definition.set_default("driver", protocol.empty() ? "file" : protocol);
  }
  BLOCK_TRY_ASSIGN(std::shared_ptr<Node> opened,
                   node_.graph_.open_node(std::move(definition), child_defaults(place), this));
  return keep(std::move(opened), place, true, access);
}

Result<void> Node::Opening::open_backing(const std::string& filename, const std::string& format) {
  if (!node_.follow_image_backing_) return {};
  Result<void> opened = open_image_backing(filename, format);
  if (!opened) return std::move(opened).error().context("Could not open backing file");
  return {};
}

Result<void> Node::Opening::open_image_backing(const std::string& filename,
                                               const std::string& format) {
  BLOCK_TRY_ASSIGN(const std::string path, resolve_backing_filename(node_.filename_, filename));
  BLOCK_TRY(refuse_loop(path));
  Options definition = std::exchange(backing_changes_, {});
  if (!format.empty() && !definition.contains("driver")) {
    BLOCK_TRY_ASSIGN(const BlockDriver* driver, DriverRegistry::instance().find(format));
    if (driver->is_protocol)
      return Error(ErrorKind::invalid_argument, "'" + format + "' is not an image format");
    definition.set("driver", format);
  }
  // The driver is set here, so that nothing in the name can choose another driver.
  definition.set("file.driver", "file");
  definition.set("file.filename", path);
  BLOCK_TRY_ASSIGN(
      std::shared_ptr<Node> opened,
      node_.graph_.open_node(std::move(definition), child_defaults(node_.backing_), this));
  return keep(std::move(opened), node_.backing_, true, {});
}

Result<void> Node::Opening::refuse_loop(const std::string& filename) {
  identity_ = identify_file(node_.filename_);
  const std::optional<FileIdentity> backing = identify_file(filename);
  if (!backing) return {};
  for (const Opening* above = this; above; above = above->parent_)
    if (above->identity_ == backing)
      return Error(ErrorKind::invalid_argument,
                   "Backing file '" + filename + "' creates an infinite loop.");
  return {};
}

Node::Child& Node::Opening::place_of(const std::string& child) {
  if (child == "file") return node_.file_;
  return child == "backing" ? node_.backing_ : node_.further_children_[child];
}

Graph::OpenDefaults Node::Opening::child_defaults(const Child& place) const {
  Graph::OpenDefaults defaults = defaults_;
  defaults.read_only = &place == &node_.backing_ || node_.read_only_;
  defaults.auto_read_only = &place == &node_.file_ && node_.auto_read_only_;
  defaults.force_share = node_.force_share_;
  defaults.cache_direct = node_.cache_direct_;
  defaults.cache_no_flush = node_.cache_no_flush_;
  return defaults;
}

// Returns whether this node may write to the child. A read-only child makes its parent read-only,
// if the options allow that.
bool Node::Opening::can_write(const Node& child, Access access) {
  return access.write && !(child.read_only() && node_.fall_back_to_read_only());
}

Result<void> Node::Opening::keep(std::shared_ptr<Node> child, Child& place, bool owned,
                                 Access access) {
  access.write = can_write(*child, access);
  Result<Attachment> attached = attach(child, "node '" + node_.name_ + "'", access);
  if (!attached) {
    // The error of attaching is the one to report, not one of closing.
    if (owned) (void)node_.graph_.close(child->name()).ok();
    return std::move(attached).error();
  }
  place.attachment = std::move(*attached);
  place.owned = owned;
  if (&place == &node_.file_ && node_.filename_.empty()) node_.filename_ = child->filename();
  return {};
}

} // namespace block
