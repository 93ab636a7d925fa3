// The protocol driver "host_device", under which QEMU and libvirt name block devices of this
// machine.
#ifndef BLOCK_FILE_HOST_DEVICE_H
#define BLOCK_FILE_HOST_DEVICE_H

#include "block/driver.h"

namespace block {

// The file driver, for block devices alone.
extern const BlockDriver host_device_driver;

} // namespace block

#endif
