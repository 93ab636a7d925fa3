// Locks that keep programs from using one image at cross purposes, in the way QEMU takes them.
#ifndef BLOCK_FILE_LOCKS_H
#define BLOCK_FILE_LOCKS_H

#include "block/result.h"

#include <string>

namespace block {

enum class Locking {
  off,       // none
  automatic, // where the file system has them
  on,        // or fail
};

// Takes the locks of a reader, or of a writer who shares with no other writer or reader, for as
// long as the open file lives. `filename` is for the hint. Errors: busy ("Failed to get ... lock"),
// or what the system says if locking is on.
Result<void> lock_file(int descriptor, bool write, Locking locking, const std::string& filename);

} // namespace block

#endif
