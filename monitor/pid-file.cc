// PidFile: locks, takes over and writes the file.
#include "monitor/pid-file.h"

#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <glib.h>

namespace monitor {
namespace {

using block::Descriptor;
using block::Error;
using block::Result;

// Locks the whole file for this open file, without waiting.
Result<void> lock(const Descriptor& file) {
  struct flock whole = {};
  whole.l_type = F_WRLCK;
  whole.l_whence = SEEK_SET;
  if (fcntl(file.get(), F_OFD_SETLK, &whole) == 0) return {};
  return Error::from_errno(errno, "Cannot lock pid file");
}

Result<void> write_id(const Descriptor& file) {
  const std::string id = std::to_string(getpid()) + "\n";
  if (ftruncate(file.get(), 0) == 0 &&
      pwrite(file.get(), id.data(), id.size(), 0) == static_cast<ssize_t>(id.size()))
    return {};
  return Error::from_errno(errno, "Cannot write pid file");
}

Result<std::unique_ptr<MadeFile>> made_file(const std::string& path, const Descriptor& file) {
  struct stat facts;
  if (fstat(file.get(), &facts) != 0) return Error::from_errno(errno, "Cannot read pid file");
  if (!S_ISREG(facts.st_mode)) // for example /dev/null, which must not be removed at the end
    return Error(block::ErrorKind::invalid_argument, "pid file is not a regular file");
  return std::make_unique<MadeFile>(path, facts);
}

} // namespace

Result<PidFile> PidFile::create(const std::string& name) {
  // The file to remove later is the target of the link.
  std::error_code failure;
  const std::filesystem::path target = std::filesystem::canonical(name, failure);
  const std::string path = failure ? name : target.string();
  while (true) {
    Descriptor file(open(path.c_str(), O_RDWR | O_CLOEXEC));
    if (file.get() < 0 && errno == ENOENT) return create_new(path);
    if (file.get() < 0) return Error::from_errno(errno, "Cannot open pid file");
    BLOCK_TRY(lock(file));
    BLOCK_TRY_ASSIGN(auto made, made_file(path, file));
    // The owner may have removed the file between open() and the lock.
    if (!made->is_there()) continue;
    BLOCK_TRY(write_id(file));
    return PidFile(std::move(file), std::move(made));
  }
}

// Written under a temporary name, because scripts wait until the file exists and then read it at
// once.
Result<PidFile> PidFile::create_new(const std::string& path) {
  std::string temporary = path + ".XXXXXX";
  Descriptor file(g_mkstemp_full(temporary.data(), O_RDWR | O_CLOEXEC, 0666));
  if (file.get() < 0) return Error::from_errno(errno, "Cannot create pid file");
  BLOCK_TRY_ASSIGN(const auto made_temporary, made_file(temporary, file));
  BLOCK_TRY(lock(file));
  BLOCK_TRY(write_id(file));
  if (link(temporary.c_str(), path.c_str()) != 0)
    return Error::from_errno(errno, "Cannot create pid file");
  BLOCK_TRY_ASSIGN(auto made, made_file(path, file));
  return PidFile(std::move(file), std::move(made));
}

} // namespace monitor
