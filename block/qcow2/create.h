// Creation of an empty qcow2 image.
#ifndef BLOCK_QCOW2_CREATE_H
#define BLOCK_QCOW2_CREATE_H

#include "block/node.h"
#include "block/qcow2/header.h"

namespace qcow2 {

// Writes an empty image into `file`, which must be empty and open for writing. `header` gives
// cluster size, refcount width, features, extensions, backing file and guest size; this function
// fills in the offsets of the tables. The layout is that of other tools: refcount table in cluster
// 1, its first block in cluster 2, L1 table from cluster 3 on. Durable at return. Errors: no_space
// (the header does not fit), invalid_argument (disk too large for the cluster size).
Result<void> create_empty(block::Node& file, Header header);

} // namespace qcow2

#endif
