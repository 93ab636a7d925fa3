// Makes the raw driver a loadable module.
#include "block/module.h"
#include "block/raw/raw.h"

BLOCK_MODULE(block::raw_driver)
