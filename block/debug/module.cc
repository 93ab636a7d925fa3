// Makes the blkdebug driver a loadable module.
#include "block/module.h"
#include "block/debug/blkdebug.h"

BLOCK_MODULE(block::blkdebug_driver)
