// The filter "blklogwrites": passes requests to child "file", and logs the changes to child "log".
#ifndef BLOCK_DEBUG_BLKLOGWRITES_H
#define BLOCK_DEBUG_BLKLOGWRITES_H

#include "block/driver.h"

namespace block {

extern const BlockDriver blklogwrites_driver;

} // namespace block

#endif
