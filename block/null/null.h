// The protocol driver "null-co": a disk of any size that stores nothing.
#ifndef BLOCK_NULL_NULL_H
#define BLOCK_NULL_NULL_H

#include "block/driver.h"

namespace block {

extern const BlockDriver null_driver;

} // namespace block

#endif
