// The qcow2 driver, with and without deduplication.
#ifndef BLOCK_QCOW2_DRIVER_DRIVER_H
#define BLOCK_QCOW2_DRIVER_DRIVER_H

#include "block/driver.h"

namespace qcow2_driver {

// Node options in addition to the generic ones; docs/user/options.md explains when to change them:
//   l2-cache-size        bytes of L2 tables kept in memory, default 32M
//   refcount-cache-size  bytes of refcount blocks kept in memory, default 8M
//   pass-discard-request on|off: return the space that the guest discards or zeroes to the file
//                        system; default: on with discard=unmap
//   pass-discard-other   on|off: the same for clusters freed by overwriting and deduplication
//   dedup-cache-size     bytes of hash blocks kept in memory, default 64M
//   dedup-index-size     bytes of memory for the index, default 0: no limit. Beyond it, a new hash
//                        replaces another one, whose duplicates are then stored again
//   dedup-scan-rate      bytes per second that the background scan reads at most, default 0: no
//                        limit
//   dedup-verify         on|off: compare bytes before clusters are shared, default off
// detect-zeroes is on by default for a deduplicated image.
extern const block::BlockDriver driver;

} // namespace qcow2_driver

#endif
