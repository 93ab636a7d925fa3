// Events that drivers send to the program.
#include "block/graph.h"

namespace block {

namespace {

Graph::EventSink& default_sink() {
  static Graph::EventSink sink;
  return sink;
}

} // namespace

void Graph::set_default_event_sink(EventSink sink) {
  default_sink() = std::move(sink);
}

const Graph::EventSink& Graph::default_event_sink() {
  return default_sink();
}

void Node::emit(NodeEvent event, const std::string& message) {
  if (graph_.event_sink_) graph_.event_sink_(*this, event, message);
}

} // namespace block
