// The protocol driver "host_device": the name that QEMU and libvirt use for block devices of this
// machine.
#ifndef BLOCK_FILE_HOST_DEVICE_H
#define BLOCK_FILE_HOST_DEVICE_H

#include "block/driver.h"

namespace block {

// The file driver, restricted to block devices.
extern const BlockDriver host_device_driver;

} // namespace block

#endif
