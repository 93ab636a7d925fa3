// WorkingDirectory: the directory in which a process was, so that it can go back there.
#ifndef BLOCK_EXPORT_NBD_NBDKIT_WORKING_DIRECTORY_H
#define BLOCK_EXPORT_NBD_NBDKIT_WORKING_DIRECTORY_H

#include "block/util/descriptor.h"

#include <fcntl.h>

namespace exports {

// Relative names keep their meaning although nbdkit has gone to "/" in the background.
class WorkingDirectory {
public:
  WorkingDirectory() : descriptor_(open(".", O_PATH | O_DIRECTORY | O_CLOEXEC)) {}
  void enter() const {
    if (descriptor_.get() != -1) static_cast<void>(!fchdir(descriptor_.get()));
  }

private:
  const block::Descriptor descriptor_;
};

} // namespace exports

#endif
