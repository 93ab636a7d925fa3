// Breakpoints: the way from an image down to the filter that holds them.
#include "block/node.h"

namespace block {

Result<Node*> Node::debugger() {
  for (Node* node = this; node; node = node->file()) {
    BLOCK_TRY(node->check_open());
    if (node->driver_->debug_breakpoint) return node;
  }
  return Error(ErrorKind::unsupported, "No blkdebug node is below node '" + name_ + "'");
}

Result<void> Node::debug_breakpoint(DebugEvent event, const std::string& tag) {
  BLOCK_TRY_ASSIGN(Node * node, debugger());
  return node->driver_->debug_breakpoint(*node, event, tag);
}

Result<void> Node::debug_remove_breakpoint(const std::string& tag) {
  BLOCK_TRY_ASSIGN(Node * node, debugger());
  return node->driver_->debug_remove_breakpoint(*node, tag);
}

Result<void> Node::debug_resume(const std::string& tag) {
  BLOCK_TRY_ASSIGN(Node * node, debugger());
  return node->driver_->debug_resume(*node, tag);
}

Result<bool> Node::debug_wait(const std::string& tag, std::chrono::milliseconds at_most) {
  BLOCK_TRY_ASSIGN(Node * node, debugger());
  return node->driver_->debug_wait(*node, tag, at_most);
}

} // namespace block
