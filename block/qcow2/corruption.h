// Reaction to metadata that contradicts itself in an open image.
#ifndef BLOCK_QCOW2_CORRUPTION_H
#define BLOCK_QCOW2_CORRUPTION_H

#include "block/node.h"
#include "block/qcow2/image.h"

namespace qcow2 {

// If `error` is corrupt: marks an image that is open for writing corrupt, after which it accepts no
// more writes, and emits image_corrupted once. Any thread; no lock may be held.
void note_corruption(block::Node& node, Image& image, const block::Error& error);

// Passes the result of a request on, after note_corruption() if it is an error.
template <typename T>
block::Result<T> watched(block::Node& node, Image& image, block::Result<T> result) {
  if (!result) note_corruption(node, image, result.error());
  return result;
}

} // namespace qcow2

#endif
