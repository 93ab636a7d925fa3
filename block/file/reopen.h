// Another open file of a file that is open already.
#ifndef BLOCK_FILE_REOPEN_H
#define BLOCK_FILE_REOPEN_H

#include "block/result.h"
#include "block/util/descriptor.h"

namespace block {

// Opens the file behind `descriptor` once more, whatever its name is by now. `flags`: as of open().
// The new open file has flags, locks and a view of write errors of its own. Errors: what the system
// says; it needs /proc.
Result<Descriptor> reopen(int descriptor, int flags);

} // namespace block

#endif
