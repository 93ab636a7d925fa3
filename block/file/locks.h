// Image locks, compatible with QEMU's: they exclude conflicting users of one image.
#ifndef BLOCK_FILE_LOCKS_H
#define BLOCK_FILE_LOCKS_H

#include "block/result.h"

#include <string>

namespace block {

enum class Locking {
  off,       // no locks
  automatic, // locks if the file system supports them
  on,        // locks; an error if the file system does not support them
};

// Takes the locks of a reader, or of a writer that allows no other reader or writer. They last as
// long as the open file. `filename` is used in the hint only. Errors: busy ("Failed to get ...
// lock"); with Locking::on also the error of the system.
Result<void> lock_file(int descriptor, bool write, Locking locking, const std::string& filename);

} // namespace block

#endif
