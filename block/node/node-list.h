// The nodes of a graph by name, including those that are still being opened.
#ifndef BLOCK_NODE_NODE_LIST_H
#define BLOCK_NODE_NODE_LIST_H

#include "block/graph.h"
#include "block/util/mutex.h"

#include <optional>
#include <set>

namespace block {

// The lock is never held while a driver works, so a lookup does not wait for a node that takes long
// to open.
class Graph::NodeList {
public:
  // A name that is reserved for a node that is not listed yet.
  class Reservation {
  public:
    Reservation(NodeList& list, std::string name) : list_(&list), name_(std::move(name)) {}
    Reservation(Reservation&& other) noexcept
        : list_(std::exchange(other.list_, nullptr)), name_(std::move(other.name_)) {}
    Reservation& operator=(Reservation&&) = delete;
    ~Reservation(); // frees the name unless it was published

    const std::string& name() const { return name_; }
    // Adds the node to the list under the reserved name.
    void publish(std::shared_ptr<Node> node);

  private:
    NodeList* list_; // null if there is nothing to free
    std::string name_;
  };

  // Reserves the wanted name, or a generated one. Errors: invalid_argument (not a node name),
  // exists.
  Result<Reservation> reserve(const std::optional<std::string>& wanted);
  std::shared_ptr<Node> find(const std::string& name) const;
  std::vector<std::shared_ptr<Node>> all() const;
  void remove(const std::shared_ptr<Node>& node);

private:
  mutable Mutex mutex_;
  std::vector<std::shared_ptr<Node>> nodes_ GUARDED_BY(mutex_);
  std::set<std::string> reserved_ GUARDED_BY(mutex_);
  std::uint64_t next_name_ GUARDED_BY(mutex_) = 1;
};

} // namespace block

#endif
