// The file protocol driver: opening and creating files.
#include "block/file/file.h"

#include "block/file/direct.h"
#include "block/file/locks.h"
#include "block/file/state.h"
#include "block/graph.h"

#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>

namespace block {
namespace {

std::string quoted(const std::string& path) {
  return "Could not open '" + path + "'";
}

Result<Locking> take_locking(Options& options) {
  const std::string text = options.take("locking").value_or("auto");
  if (text == "auto") return Locking::automatic;
  if (text == "on") return Locking::on;
  if (text == "off") return Locking::off;
  return Error(ErrorKind::invalid_argument,
               "Parameter 'locking' expects 'on', 'off' or 'auto', not '" + text + "'");
}

Result<void> take_aio(Options& options) {
  const std::string text = options.take("aio").value_or("threads");
  if (text == "threads") return {};
  return Error(ErrorKind::unsupported, "aio=" + text + " is not supported, only aio=threads");
}

// Returns an error for a file that has no size and content of its own: a directory, a terminal, a
// pipe.
Result<bool> is_block_device(int descriptor, const std::string& path) {
  struct stat status;
  if (fstat(descriptor, &status) != 0) return Error::from_errno(errno, quoted(path));
  if (S_ISBLK(status.st_mode)) return true;
  if (S_ISREG(status.st_mode)) return false;
  if (S_ISDIR(status.st_mode)) return Error::from_errno(EISDIR, quoted(path));
  return Error(ErrorKind::invalid_argument,
               quoted(path) + ": it is neither a regular file nor a block device");
}

Result<Descriptor> open_descriptor(Node& node, const std::string& path) {
  // Non-blocking: a pipe in the place of an image must be refused, not waited for.
  const int flags = O_CLOEXEC | O_NONBLOCK | O_NOCTTY | (node.cache_direct() ? O_DIRECT : 0);
  int number = ::open(path.c_str(), flags | (node.read_only() ? O_RDONLY : O_RDWR));
  const bool refused = number < 0 && (errno == EACCES || errno == EPERM || errno == EROFS);
  if (refused && !node.read_only() && node.fall_back_to_read_only())
    number = ::open(path.c_str(), flags | O_RDONLY);
  if (number >= 0) return Descriptor(number);
  if (errno == EINVAL && node.cache_direct())
    return Error(ErrorKind::unsupported, EINVAL,
                 quoted(path) + ": filesystem does not support O_DIRECT");
  return Error::from_errno(errno, quoted(path));
}

Result<void> file_open(Node& node, Options& options) {
  const std::optional<std::string> filename = options.take("filename");
  if (!filename || filename->empty())
    return Error(ErrorKind::invalid_argument, "The 'file' block driver requires a file name");
  const std::string path = without_protocol(*filename, "file");
  if (path.find('\0') != std::string::npos)
    return Error(ErrorKind::invalid_argument, "The file name contains a zero byte");
  BLOCK_TRY_ASSIGN(Locking locking, take_locking(options));
  BLOCK_TRY(take_aio(options));
  if (node.force_share()) locking = Locking::off;

  auto file = std::make_shared<FileState>();
  file->direct = node.cache_direct();
  BLOCK_TRY_ASSIGN(file->descriptor, open_descriptor(node, path));
  BLOCK_TRY_ASSIGN(file->is_device, is_block_device(file->descriptor.get(), path));
  BLOCK_TRY(lock_file(file->descriptor.get(), !node.read_only(), locking, path));
  if (file->direct) {
    const std::uint32_t alignment = direct_alignment(file->descriptor.get(), file->is_device);
    if (alignment > 0) node.limits().request_alignment = alignment;
  }
  node.limits().grows_on_write = true;
  if (!node.read_only()) BLOCK_TRY(file->sync.open(file->descriptor.get()));
  node.set_filename(path);
  node.set_state(std::move(file));
  return {};
}

Result<std::string> file_create(const std::string& filename, Options&) {
  const std::string path = without_protocol(filename, "file");
  const std::string what = "Could not create '" + path + "'";
  const int flags = O_CLOEXEC | O_NONBLOCK | O_NOCTTY | O_RDWR | O_CREAT;
  // O_EXCL comes first, because only its success proves that the file did not exist.
  Descriptor descriptor(::open(path.c_str(), flags | O_EXCL, 0644));
  if (descriptor.get() >= 0) return path;
  if (errno == EEXIST) descriptor = Descriptor(::open(path.c_str(), flags, 0644));
  if (descriptor.get() < 0) return Error::from_errno(errno, what);
  BLOCK_TRY_ASSIGN(const bool is_device, is_block_device(descriptor.get(), path));
  // The file is emptied under the locks, so that an image in use is not lost.
  BLOCK_TRY(lock_file(descriptor.get(), true, Locking::automatic, path));
  if (!is_device && ftruncate(descriptor.get(), 0) != 0) return Error::from_errno(errno, what);
  return std::string();
}

// create_file() empties a regular file, so a new one contains only holes. A device keeps its old
// content.
bool file_reads_as_zeros_when_new(Node& node) {
  return !file_state(node).is_device;
}

} // namespace

const BlockDriver file_driver = {
    .format_name = "file",
    .is_protocol = true,
    .create_file = file_create,
    .reads_as_zeros_when_new = file_reads_as_zeros_when_new,
    .open = file_open,
    .co_get_length = file_get_length,
    .co_readv = file_readv,
    .co_read_medium = file_read_medium,
    .co_writev = file_writev,
    .supports_fua = true,
    .co_flush = file_flush,
    .co_pwrite_zeroes = file_pwrite_zeroes,
    .co_pdiscard = file_pdiscard,
    .co_truncate = file_truncate,
    .co_block_status = file_block_status,
};

} // namespace block
