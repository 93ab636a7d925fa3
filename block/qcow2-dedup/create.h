// What `create -o` takes for a qcow2 image, and making one from it.
#ifndef BLOCK_QCOW2_DEDUP_CREATE_H
#define BLOCK_QCOW2_DEDUP_CREATE_H

#include "block/node.h"

namespace qcow2_dedup {

// For the BlockDriver table; contracts there.
const std::vector<block::CreateOption>& create_options();
void choose_create_defaults(block::Options& options);
block::Result<void> create(block::Node& file, block::Options& options);

} // namespace qcow2_dedup

#endif
