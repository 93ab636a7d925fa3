// Making an empty qcow2 image.
#ifndef BLOCK_QCOW2_CREATE_H
#define BLOCK_QCOW2_CREATE_H

#include "block/node.h"
#include "block/qcow2/header.h"

namespace qcow2 {

// Writes an image that holds nothing into `file`, which is empty and open for writing. The header
// gives cluster size, refcount width, features, extensions, backing file and guest size; the places
// of tables are filled in here. Durable at return. Layout as other tools make it: refcount table in
// cluster 1, its first block in 2, L1 table from 3 on. Errors: no_space (the header does not fit),
// invalid_argument (disk too large for the cluster size).
Result<void> create_empty(block::Node& file, Header header);

} // namespace qcow2

#endif
