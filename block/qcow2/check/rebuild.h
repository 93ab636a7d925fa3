// Writes a new refcount table with new blocks when the old ones cannot be repaired in place.
#ifndef BLOCK_QCOW2_CHECK_REBUILD_H
#define BLOCK_QCOW2_CHECK_REBUILD_H

#include "block/qcow2/check/check.h"
#include "block/qcow2/check/stored-refcounts.h"

namespace qcow2 {

// Writes a structure with all counted references after the last cluster in use. If the host has no
// space there, it uses clusters inside the file that have no reference; if these do not suffice,
// the clusters that `client` (may be null) gives up. It makes the structure durable and only then
// stores its offset in the header, so a crash leaves the old or the new one. The old structure is
// not overwritten. If `keep`, refcounts that can be read are not lowered, and nothing inside the
// file is overwritten.
//
// An old structure that is sound is completed instead if only clusters inside the file are left:
// its blocks are corrected in place, and the missing blocks are added.
//
// Returns false, after a finding line, if the format has no room for such a structure. Errors:
// those of the file; no_space also if no clusters were found. In these cases the image is
// unchanged, except for what the client gave up.
Result<bool> rebuild_refcounts(HostFile& file, Header& header, References& references,
                               StoredRefcounts& stored, CheckClient* client,
                               CheckFindings& findings, bool keep);

} // namespace qcow2

#endif
