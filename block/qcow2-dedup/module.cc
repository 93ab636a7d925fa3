// Makes the qcow2 driver a loadable module.
#include "block/module.h"
#include "block/qcow2-dedup/driver.h"

BLOCK_MODULE(qcow2_dedup::driver)
