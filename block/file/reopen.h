// Opens a file again that is open already.
#ifndef BLOCK_FILE_REOPEN_H
#define BLOCK_FILE_REOPEN_H

#include "block/result.h"
#include "block/util/descriptor.h"

namespace block {

// Opens the file of `descriptor` again, even if it was renamed or deleted. `flags`: as for open().
// The new open file has its own flags and locks, and it receives write errors of its own. Errors:
// those of the system. Needs /proc.
Result<Descriptor> reopen(int descriptor, int flags);

} // namespace block

#endif
