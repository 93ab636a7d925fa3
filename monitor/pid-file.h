// PidFile: the file that holds the process id of a running daemon.
#ifndef MONITOR_PID_FILE_H
#define MONITOR_PID_FILE_H

#include "block/result.h"
#include "block/util/descriptor.h"
#include "monitor/made-file.h"

#include <memory>
#include <string>

namespace monitor {

// The file is locked while the object lives. The destructor removes it, unless another file is at
// its path by then. qemu-storage-daemon takes the same lock.
class PidFile {
public:
  // Writes the id of this process. A new file has its content from the moment it is visible. The
  // file of a process that has ended is taken over. If the name is a link, its target is used.
  // Errors: busy (a running daemon holds the lock), exists (another process created the file at the
  // same moment), invalid_argument (not a regular file), those of the system.
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
