// Events that drivers send to the program.
#include "block/graph.h"

namespace block {

void Node::emit(NodeEvent event, const std::string& message) {
  if (graph_.event_sink_) graph_.event_sink_(*this, event, message);
}

} // namespace block
