// Reopens a file by the name of its descriptor in /proc.
#include "block/file/reopen.h"

#include <cerrno>
#include <fcntl.h>
#include <string>

namespace block {

Result<Descriptor> reopen(int descriptor, int flags) {
  const std::string name = "/proc/self/fd/" + std::to_string(descriptor);
  Descriptor opened(::open(name.c_str(), flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (opened.get() < 0) return Error::from_errno(errno, "Could not open " + name);
  return opened;
}

} // namespace block
