// Makes the null driver a loadable module.
#include "block/module.h"
#include "block/null/null.h"

BLOCK_MODULE(block::null_driver)
