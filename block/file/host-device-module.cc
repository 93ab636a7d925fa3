// Makes the host_device driver a loadable module.
#include "block/file/host-device.h"
#include "block/module.h"

BLOCK_MODULE(block::host_device_driver)
