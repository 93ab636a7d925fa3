// PidFile: the file that holds the process id of a running daemon.
#ifndef MONITOR_PID_FILE_H
#define MONITOR_PID_FILE_H

#include "block/result.h"
#include "block/util/descriptor.h"
#include "monitor/made-file.h"

#include <memory>
#include <string>

namespace monitor {

// The file is locked as long as the object lives, and removed at its end, unless another file is at
// its path by then. qemu-storage-daemon takes the same lock.
class PidFile {
public:
  // Writes the id of this process. A new file appears with its content. The file of a process that
  // has ended is taken over; through a link, the file that the link leads to. Errors: busy (a
  // running daemon holds the lock), exists (another process made the file at this moment),
  // invalid_argument (not a regular file), those of the system.
  static block::Result<PidFile> create(const std::string& name);

private:
  PidFile(block::Descriptor file, std::unique_ptr<MadeFile> made)
      : file_(std::move(file)), made_(std::move(made)) {}
  static block::Result<PidFile> create_new(const std::string& path);

  block::Descriptor file_;         // holds the lock; closed last
  std::unique_ptr<MadeFile> made_; // removes the file
};

} // namespace monitor

#endif
