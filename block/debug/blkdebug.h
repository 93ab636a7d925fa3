// The filter "blkdebug": passes requests to child "image", but those that its rules fail or delay.
#ifndef BLOCK_DEBUG_BLKDEBUG_H
#define BLOCK_DEBUG_BLKDEBUG_H

#include "block/driver.h"

namespace block {

extern const BlockDriver blkdebug_driver;

} // namespace block

#endif
