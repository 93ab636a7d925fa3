// Node names: which are well formed, which are taken.
#include "block/node/name-reservation.h"

#include <algorithm>
#include <cctype>

namespace block {
namespace {

constexpr std::size_t max_name_length = 31;

bool well_formed(const std::string& name) {
  auto allowed = [](unsigned char c) {
    return std::isalnum(c) || c == '-' || c == '.' || c == '_';
  };
  return !name.empty() && name.size() <= max_name_length &&
         std::isalpha(static_cast<unsigned char>(name[0])) &&
         std::all_of(name.begin(), name.end(), allowed);
}

} // namespace

Result<Graph::NameReservation> Graph::NameReservation::make(Graph& graph,
                                                            std::optional<std::string> wanted) {
  if (wanted && !well_formed(*wanted))
    return Error(ErrorKind::invalid_argument, "Invalid node-name: '" + *wanted + "'");
  std::lock_guard hold(graph.mutex_);
  std::string name = wanted ? *wanted : "#block" + std::to_string(graph.next_name_++);
  const bool taken =
      graph.opening_names_.contains(name) ||
      std::any_of(graph.nodes_.begin(), graph.nodes_.end(),
                  [&](const std::shared_ptr<Node>& node) { return node->name() == name; });
  if (taken) return Error(ErrorKind::exists, "Duplicate nodes with node-name='" + name + "'");
  graph.opening_names_.insert(name);
  return NameReservation(graph, std::move(name));
}

Graph::NameReservation::~NameReservation() {
  if (!graph_) return;
  std::lock_guard hold(graph_->mutex_);
  graph_->opening_names_.erase(name_);
}

void Graph::NameReservation::publish(std::shared_ptr<Node> node) {
  std::lock_guard hold(graph_->mutex_);
  graph_->opening_names_.erase(name_);
  graph_->nodes_.push_back(std::move(node));
  graph_ = nullptr;
}

} // namespace block
