// Who uses a node, and whether it still takes new users.
#ifndef BLOCK_NODE_USERS_H
#define BLOCK_NODE_USERS_H

#include "block/node.h"
#include "block/util/mutex.h"

namespace block {

class Node::Users {
public:
  explicit Users(const std::string& node_name) : node_name_(node_name) {}

  // Returns the new user's id. Errors: busy (another user's access and this one exclude each
  // other), not_found (the node is being closed).
  Result<std::uint64_t> add(std::string user, Access access);
  void remove(std::uint64_t id);
  std::vector<std::string> names() const;

  // From success on no one is added. Errors: busy (there are users), not_found (closing already).
  Result<void> begin_closing();
  // The same whoever uses the node; false if it was closing already.
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
