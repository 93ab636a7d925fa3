// Makes the blklogwrites driver a loadable module.
#include "block/debug/blklogwrites.h"
#include "block/module.h"

BLOCK_MODULE(block::blklogwrites_driver)
