// The users of a node, and whether it still accepts new ones.
#ifndef BLOCK_NODE_USERS_H
#define BLOCK_NODE_USERS_H

#include "block/node.h"
#include "block/util/mutex.h"

namespace block {

class Node::Users {
public:
  explicit Users(const std::string& node_name) : node_name_(node_name) {}

  // Adds a user and returns its id. Errors: busy (the access of another user and this one exclude
  // each other), not_found (the node is being closed).
  Result<std::uint64_t> add(std::string user, Access access);
  void remove(std::uint64_t id);
  std::vector<std::string> names() const;

  // After success no user can be added. Errors: busy (there are users), not_found (closing
  // already).
  Result<void> begin_closing();
  // The same even if there are users. Returns false if the node was closing already.
  bool force_closing();

private:
  struct User {
    std::uint64_t id;
    std::string name;
    Access access;
  };

  const std::string& node_name_;
  mutable Mutex mutex_;
  std::vector<User> users_ GUARDED_BY(mutex_);
  std::uint64_t next_id_ GUARDED_BY(mutex_) = 1;
  bool closing_ GUARDED_BY(mutex_) = false;
};

} // namespace block

#endif
