// Events that drivers send to the program.
#include "block/graph.h"

namespace block {

void Node::emit(NodeEvent event) {
  if (graph_.event_sink_) graph_.event_sink_(*this, event);
}

} // namespace block
