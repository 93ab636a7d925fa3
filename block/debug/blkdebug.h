// The filter "blkdebug": passes requests to its child (option "image"), and fails or delays those
// that its rules name.
#ifndef BLOCK_DEBUG_BLKDEBUG_H
#define BLOCK_DEBUG_BLKDEBUG_H

#include "block/driver.h"

namespace block {

extern const BlockDriver blkdebug_driver;

} // namespace block

#endif
