// A node's name while the node is being opened: taken, though the graph does not list the node yet.
#ifndef BLOCK_NODE_NAME_RESERVATION_H
#define BLOCK_NODE_NAME_RESERVATION_H

#include "block/graph.h"

#include <optional>

namespace block {

class Graph::NameReservation {
public:
  // Errors: invalid_argument (not a node name), exists.
  static Result<NameReservation> make(Graph& graph, std::optional<std::string> wanted);
  NameReservation(NameReservation&& other) noexcept
      : graph_(std::exchange(other.graph_, nullptr)), name_(std::move(other.name_)) {}
  NameReservation& operator=(NameReservation&&) = delete;
  ~NameReservation(); // frees the name unless it was published

  // The node takes its place in the list, and the name with it.
  void publish(std::shared_ptr<Node> node);
  const std::string& name() const { return name_; }

private:
  NameReservation(Graph& graph, std::string name) : graph_(&graph), name_(std::move(name)) {}

  Graph* graph_; // null when there is nothing to free
  std::string name_;
};

} // namespace block

#endif
