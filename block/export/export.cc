// Export: counts requests, so that the node is released after the last one.
#include "block/export/export.h"

#include <cerrno>

namespace exports {

Export::Export(Setup setup)
    : type_(setup.type),
      options_(std::move(setup.options)),
      on_end_(std::move(setup.on_end)),
      attachment_(std::move(setup.attachment)) {}

block::Result<Export::Request> Export::begin() {
  // begin() counts the request before it reads the flag, and shut_down() sets the flag before it
  // reads the count. So at least one of them reads the value that the other has written.
  ++in_flight_;
  Request request(*this);
  if (shutting_down_)
    return block::Error(block::ErrorKind::not_found, ESHUTDOWN,
                        "export '" + options_.id + "' is shutting down");
  return request;
}

void Export::end() {
  if (--in_flight_ > 0 || !shutting_down_ || ended_.exchange(true)) return;
  attachment_.reset();
  on_end_(*this);
}

block::Result<void> Export::shut_down(RemoveMode mode) {
  ++in_flight_; // an idle export ends below in the same way as a busy one
  block::Result<void> begun = refuse(mode);
  if (begun) end_clients();
  end();
  return begun;
}

// Tests the clients and sets the flag under one lock, so that no client comes between.
block::Result<void> Export::refuse(RemoveMode mode) {
  using block::Error;
  using block::ErrorKind;
  std::lock_guard lock(mutex_);
  if (shutting_down_)
    return Error(ErrorKind::busy, "Export '" + options_.id + "' is already shutting down");
  if (mode == RemoveMode::safe && clients_ > 0)
    return Error(ErrorKind::busy, "export '" + options_.id + "' still in use")
        .with_hint("Use mode='hard' to end its clients' use of it");
  shutting_down_ = true;
  return {};
}

bool Export::add_client() {
  std::lock_guard lock(mutex_);
  if (shutting_down_) return false;
  ++clients_;
  return true;
}

void Export::remove_client() {
  std::lock_guard lock(mutex_);
  --clients_;
}

std::uint64_t Export::clients() const {
  std::lock_guard lock(mutex_);
  return clients_;
}

} // namespace exports
