// The options of `create -o` for a qcow2 image, and the creation of an image.
#ifndef BLOCK_QCOW2_DRIVER_CREATE_H
#define BLOCK_QCOW2_DRIVER_CREATE_H

#include "block/driver.h"
#include "block/node.h"

namespace qcow2_driver {

// For the BlockDriver table; contracts there.
const std::vector<block::CreateOption>& create_options();
void choose_create_defaults(block::Options& options);
block::Result<void> check_create_options(block::Options& options);
block::Result<void> create(block::Node& file, block::Options& options);

} // namespace qcow2_driver

#endif
