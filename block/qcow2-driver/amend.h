// Switching deduplication of an existing image on and off.
#ifndef BLOCK_QCOW2_DRIVER_AMEND_H
#define BLOCK_QCOW2_DRIVER_AMEND_H

#include "block/driver.h"

namespace qcow2_driver {

// For the BlockDriver table; contracts there. On: the image is deduplicated from the next open on,
// and the scan processes its present content. Off: shared clusters stay shared, and no cluster is
// left that stock QEMU would report as a leak.
block::Result<void> amend(block::Node& node, block::Options& options);

} // namespace qcow2_driver

#endif
