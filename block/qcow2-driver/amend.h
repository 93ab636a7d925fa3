// Switching deduplication of an existing image on and off.
#ifndef BLOCK_QCOW2_DRIVER_AMEND_H
#define BLOCK_QCOW2_DRIVER_AMEND_H

#include "block/driver.h"

namespace qcow2_driver {

// For the BlockDriver table; contracts there. On: the image is deduplicated from the next open on,
// and what it holds already is for the scan. Off: what is shared stays shared, and nothing is left
// that stock QEMU would call a leak.
block::Result<void> amend(block::Node& node, block::Options& options);

} // namespace qcow2_driver

#endif
