// Events that drivers and the node layer send to the program.
#include "block/graph.h"
#include "block/node/inner.h"

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
  const Graph& graph = Inner::of(*this).graph_;
  if (graph.event_sink_) graph.event_sink_(*this, event, message);
}

void Node::note_error(const Error& error) {
  if (error.kind() != ErrorKind::corrupt || !driver_->mark_corrupt) return;
  if (driver_->mark_corrupt(*this)) emit(NodeEvent::image_corrupted, error.message());
}

} // namespace block
