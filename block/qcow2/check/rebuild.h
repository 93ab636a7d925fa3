// Writes a new refcount table with new blocks, when the old ones cannot be mended in their place.
#ifndef BLOCK_QCOW2_CHECK_REBUILD_H
#define BLOCK_QCOW2_CHECK_REBUILD_H

#include "block/qcow2/check/check.h"
#include "block/qcow2/check/stored-refcounts.h"

namespace qcow2 {

// Puts a structure with all counted references behind everything in use or, if the host has no
// space there, into clusters inside the file that no reference names; if these do not suffice, into
// those that `client` (may be null) gives up. Makes it durable, and only then lets the header name
// it, so that a crash leaves the old or the new one. The old structure is not overwritten. If
// `keep`, refcounts that can be read are not lowered, and nothing inside the file is overwritten.
//
// False, after a finding line, if there is no room for such a structure in the format. Errors:
// those of the file; no_space also if no place was found. In these cases the image is as before,
// except for what the client gave up.
Result<bool> rebuild_refcounts(HostFile& file, Header& header, References& references,
                               StoredRefcounts& stored, CheckClient* client,
                               CheckFindings& findings, bool keep);

} // namespace qcow2

#endif
