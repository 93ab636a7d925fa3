// Writes a new refcount table with new blocks, when the old ones cannot be mended in their place.
#ifndef BLOCK_QCOW2_REPAIR_REBUILD_H
#define BLOCK_QCOW2_REPAIR_REBUILD_H

#include "block/qcow2/check-refcounts.h"

namespace qcow2 {

// Puts a structure with all counted references behind everything in use, makes it durable, and only
// then lets the header name it, so that a crash leaves the old or the new one. If `keep`, refcounts
// that can be read are not lowered, and nothing inside the file is overwritten.
//
// False, after a finding line, if there is no room for such a structure in the format: nothing is
// changed then. Errors: those of the file.
Result<bool> rebuild_refcounts(HostFile& file, Header& header, References& references,
                               StoredRefcounts& stored, CheckFindings& findings, bool keep);

} // namespace qcow2

#endif
