// The protocol driver "file": regular files and block devices of this machine.
#ifndef BLOCK_FILE_FILE_H
#define BLOCK_FILE_FILE_H

#include "block/driver.h"

namespace block {

extern const BlockDriver file_driver;

} // namespace block

#endif
