// DebugOperations: events and breakpoints, the capability of a driver that helps tests.
#ifndef BLOCK_DEBUG_H
#define BLOCK_DEBUG_H

#include "block/debug-event.h"
#include "block/result.h"

#include <chrono>
#include <string>

namespace block {

class Node;

// The node layer calls the entries on any thread, several at a time, while the node is open.
struct DebugOperations {
  // Required. The parent, or a node above it, is about to do on this thread what the event names.
  // The call may wait if the event can hold.
  void (*event)(Node& node, DebugEvent event) = nullptr;

  // Breakpoints: all four, or none.
  //
  // Sets a breakpoint: the next request in which the event happens is held, once, under the tag.
  // Error: unsupported, if the event cannot hold.
  Result<void> (*breakpoint)(Node& node, DebugEvent event, const std::string& tag) = nullptr;
  // Removes the breakpoints with the tag and resumes the requests that they hold. An empty tag
  // stands for all. Error: not_found, if there is no such tag.
  Result<void> (*remove_breakpoint)(Node& node, const std::string& tag) = nullptr;
  // Resumes the first request that is held under the tag. Error: not_found.
  Result<void> (*resume)(Node& node, const std::string& tag) = nullptr;
  // Waits until a request is held under the tag. Returns false if none is held after `at_most`.
  Result<bool> (*wait)(Node& node, const std::string& tag,
                       std::chrono::milliseconds at_most) = nullptr;
};

} // namespace block

#endif
