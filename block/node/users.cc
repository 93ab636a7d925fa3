// Users of a node: which accesses exclude each other.
#include "block/node/users.h"

namespace block {

Result<std::uint64_t> Node::Users::add(std::string user, Access access) {
  MutexGuard hold(mutex_);
  if (closing_) return Error(ErrorKind::not_found, "Node '" + node_name_ + "' is being closed");
  for (const User& other : users_) {
    const bool excluded = (access.write && !other.access.allow_other_writers) ||
                          (other.access.write && !access.allow_other_writers);
    if (excluded)
      return Error(ErrorKind::busy, "Node '" + node_name_ + "' is in use by " + other.name);
  }
  const std::uint64_t id = next_id_++;
  users_.push_back({id, std::move(user), access});
  return id;
}

void Node::Users::remove(std::uint64_t id) {
  MutexGuard hold(mutex_);
  std::erase_if(users_, [id](const User& user) { return user.id == id; });
}

std::vector<std::string> Node::Users::names() const {
  MutexGuard hold(mutex_);
  std::vector<std::string> names;
  for (const User& user : users_)
    names.push_back(user.name);
  return names;
}

Result<void> Node::Users::begin_closing() {
  MutexGuard hold(mutex_);
  if (closing_) return Error(ErrorKind::not_found, "Node '" + node_name_ + "' is being closed");
  if (!users_.empty())
    return Error(ErrorKind::busy, "Node '" + node_name_ + "' is in use by " + users_.front().name);
  closing_ = true;
  return {};
}

bool Node::Users::force_closing() {
  MutexGuard hold(mutex_);
  return !std::exchange(closing_, true);
}

} // namespace block
