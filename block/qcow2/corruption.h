// What happens when metadata turns out to contradict itself while the image is open.
#ifndef BLOCK_QCOW2_CORRUPTION_H
#define BLOCK_QCOW2_CORRUPTION_H

#include "block/node.h"
#include "block/qcow2/image.h"

namespace qcow2 {

// If the error says so: an image that is open for writing is marked corrupt and takes no more
// writes, and the program is told, once. Any thread, no lock held.
void note_corruption(block::Node& node, Image& image, const block::Error& error);

// Passes the result of a request on.
template <typename T>
block::Result<T> watched(block::Node& node, Image& image, block::Result<T> result) {
  if (!result) note_corruption(node, image, result.error());
  return result;
}

} // namespace qcow2

#endif
