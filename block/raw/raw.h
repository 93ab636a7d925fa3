// The format driver "raw": the bytes of the file are the bytes of the disk.
#ifndef BLOCK_RAW_RAW_H
#define BLOCK_RAW_RAW_H

#include "block/driver.h"

namespace block {

extern const BlockDriver raw_driver;

} // namespace block

#endif
