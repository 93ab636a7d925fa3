// Makes the file driver a loadable module.
#include "block/module.h"
#include "block/file/file.h"

BLOCK_MODULE(block::file_driver)
