// Corruption found by requests: the mark in the header and the event.
#include "block/qcow2/corruption.h"

namespace qcow2 {

void note_corruption(block::Node& node, Image& image, const block::Error& error) {
  if (error.kind() != block::ErrorKind::corrupt || !image.mark_corrupt(!node.read_only())) return;
  node.emit(block::NodeEvent::image_corrupted, error.message());
}

} // namespace qcow2
