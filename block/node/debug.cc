// Breakpoints: the way from an image down to the filter that holds them.
#include "block/node/inner.h"

namespace block {

Result<Node::Inner*> Node::Inner::debugger() {
  for (Node* node = this; node; node = node->file()) {
    Inner& inner = of(*node);
    BLOCK_TRY(inner.check_open());
    if (inner.driver_->debug && inner.driver_->debug->breakpoint) return &inner;
  }
  return Error(ErrorKind::unsupported, "No blkdebug node is below node '" + name_ + "'");
}

Result<void> Node::debug_breakpoint(DebugEvent event, const std::string& tag) {
  BLOCK_TRY_ASSIGN(Inner * node, Inner::of(*this).debugger());
  return node->call("debug->breakpoint", node->driver_->debug->breakpoint, event, tag);
}

Result<void> Node::debug_remove_breakpoint(const std::string& tag) {
  BLOCK_TRY_ASSIGN(Inner * node, Inner::of(*this).debugger());
  return node->call("debug->remove_breakpoint", node->driver_->debug->remove_breakpoint, tag);
}

Result<void> Node::debug_resume(const std::string& tag) {
  BLOCK_TRY_ASSIGN(Inner * node, Inner::of(*this).debugger());
  return node->call("debug->resume", node->driver_->debug->resume, tag);
}

Result<bool> Node::debug_wait(const std::string& tag, std::chrono::milliseconds at_most) {
  BLOCK_TRY_ASSIGN(Inner * node, Inner::of(*this).debugger());
  return node->call("debug->wait", node->driver_->debug->wait, tag, at_most);
}

} // namespace block
