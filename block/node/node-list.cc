// Node names: syntax, and which names are taken.
#include "block/node/node-list.h"

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

Result<Graph::NodeList::Reservation>
Graph::NodeList::reserve(const std::optional<std::string>& wanted) {
  if (wanted && !well_formed(*wanted))
    return Error(ErrorKind::invalid_argument, "Invalid node-name: '" + *wanted + "'");
  MutexGuard hold(mutex_);
  std::string name = wanted ? *wanted : "#block" + std::to_string(next_name_++);
  const bool taken =
      reserved_.contains(name) ||
      std::any_of(nodes_.begin(), nodes_.end(),
                  [&](const std::shared_ptr<Node>& node) { return node->name() == name; });
  if (taken) return Error(ErrorKind::exists, "Duplicate nodes with node-name='" + name + "'");
  reserved_.insert(name);
  return Reservation(*this, std::move(name));
}

Graph::NodeList::Reservation::~Reservation() {
  if (!list_) return;
  MutexGuard hold(list_->mutex_);
  list_->reserved_.erase(name_);
}

void Graph::NodeList::Reservation::publish(std::shared_ptr<Node> node) {
  NodeList& list = *std::exchange(list_, nullptr);
  MutexGuard hold(list.mutex_);
  list.reserved_.erase(name_);
  list.nodes_.push_back(std::move(node));
}

std::shared_ptr<Node> Graph::NodeList::find(const std::string& name) const {
  MutexGuard hold(mutex_);
  for (const std::shared_ptr<Node>& node : nodes_)
    if (node->name() == name) return node;
  return nullptr;
}

std::vector<std::shared_ptr<Node>> Graph::NodeList::all() const {
  MutexGuard hold(mutex_);
  return nodes_;
}

void Graph::NodeList::remove(const std::shared_ptr<Node>& node) {
  MutexGuard hold(mutex_);
  std::erase(nodes_, node);
}

} // namespace block
