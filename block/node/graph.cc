// Graph: the list of nodes, and their opening and closing.
#include "block/graph.h"
#include "block/node/inner.h"
#include "block/node/node-list.h"
#include "block/node/opening.h"

#include <algorithm>
#include <glib.h>

namespace block {
namespace {

// Limit of nodes above each other: far more than real backing chains have, and no more than fit on
// a thread's stack.
constexpr unsigned max_depth = 500;

} // namespace

Graph::Graph(JobList* jobs) : jobs_(jobs), list_(std::make_unique<NodeList>()) {}

Graph::~Graph() {
  Result<void> closed = close_all();
  if (!closed) g_warning("%s", closed.error().message().c_str());
}

std::shared_ptr<Node> Graph::find(const std::string& node_name) const {
  return list_->find(node_name);
}

std::vector<std::shared_ptr<Node>> Graph::nodes() const {
  return list_->all();
}

Result<std::shared_ptr<Node>> Graph::open(Options options, OpenDefaults defaults) {
  return open_node(std::move(options), defaults, nullptr);
}

Result<std::shared_ptr<Node>> Graph::open_node(Options options, const OpenDefaults& defaults,
                                               const Node::Opening* parent) {
  if (Node::Opening::depth_below(parent) > max_depth)
    return Error(ErrorKind::invalid_argument,
                 "More than " + std::to_string(max_depth) + " nodes above each other");
  BLOCK_TRY_ASSIGN(NodeList::Reservation name, list_->reserve(options.take("node-name")));
  // If the driver is to be probed, it is known only when the child "file" is open. Until then "raw"
  // is the placeholder.
  const std::optional<std::string> driver_name = options.take("driver");
  BLOCK_TRY_ASSIGN(const BlockDriver* driver,
                   DriverRegistry::instance().find(driver_name.value_or("raw")));

  auto node = std::make_shared<Node::Inner>(*this, *driver, name.name());
  Node::Opening opening(*node, parent, defaults);
  node->opening_ = &opening;
  Result<void> opened = opening.run(options, driver_name.has_value());
  node->opening_ = nullptr;
  if (!opened) {
    node->closed_ = true;
    node->state_.reset();
    // The error of opening is the one to report, not one of closing.
    (void)close_children(*node).ok();
    return std::move(opened).error();
  }
  name.publish(node);
  return std::shared_ptr<Node>(std::move(node));
}

Result<void> Graph::close(const std::string& node_name) {
  std::shared_ptr<Node> node = find(node_name);
  if (!node)
    return Error(ErrorKind::not_found, "Failed to find node with node-name='" + node_name + "'");
  BLOCK_TRY(Node::Inner::of(*node).users_.begin_closing());
  return close_node(node);
}

Result<void> Graph::close_all() {
  Result<void> first_error;
  // A node is opened after the nodes that it uses, so the reverse order closes users first.
  std::vector<std::shared_ptr<Node>> all = nodes();
  std::reverse(all.begin(), all.end());
  for (const std::shared_ptr<Node>& node : all) {
    if (!Node::Inner::of(*node).users_.force_closing()) continue;
    Result<void> closed = close_node(node);
    if (!closed && first_error) first_error = std::move(closed);
  }
  return first_error;
}

// The caller must have called begin_closing() or force_closing() of the node's users, so that no
// user can be added.
Result<void> Graph::close_node(const std::shared_ptr<Node>& closing) {
  Node::Inner& node = Node::Inner::of(*closing);
  Result<void> result;
  {
    std::lock_guard hold(node.control_mutex_);
    if (!node.read_only_) result = node.flush();
    Result<void> closed = node.close_driver();
    if (result) result = std::move(closed);
    node.closed_ = true;
    node.state_.reset();
  }
  Result<void> children = close_children(node);
  if (result) result = std::move(children);
  node.emit(NodeEvent::closed); // before any event of another node with that name
  list_->remove(closing);
  if (!result) return std::move(result).error().context("Closing node '" + node.name_ + "'");
  return {};
}

// Ends the node's use of its children. Children defined within the node are closed, too, unless
// they have other users.
Result<void> Graph::close_children(Node::Inner& node) {
  Result<void> first_error;
  auto release = [&](Node::Child& place) {
    std::shared_ptr<Node> child = place.attachment.shared_node();
    place.attachment = {};
    if (!child || !place.owned) return;
    if (!Node::Inner::of(*child).users_.begin_closing()) return; // it still has another user
    Result<void> closed = close_node(child);
    if (!closed && first_error) first_error = std::move(closed);
  };
  for (auto& [name, child] : node.further_children_)
    release(child);
  release(node.backing_);
  release(node.file_);
  return first_error;
}

} // namespace block
