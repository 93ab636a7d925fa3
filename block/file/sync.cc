// FileSync: one fdatasync() at a time.
#include "block/file/sync.h"

#include "block/file/reopen.h"

#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

namespace block {

Result<void> FileSync::open(int file) {
  BLOCK_TRY_ASSIGN(descriptor_, reopen(file, O_RDONLY));
  return {};
}

Result<void> FileSync::failure() const {
  if (const int failed = failed_.load())
    return Error::from_errno(failed, "an earlier flush failed");
  return {};
}

Result<void> FileSync::sync() {
  // An fdatasync() that begins after this line covers this call.
  const std::uint64_t asked = asked_.fetch_add(1) + 1;
  MutexGuard alone(mutex_);
  BLOCK_TRY(failure());
  if (done_ >= asked) return {};
  const std::uint64_t covered = asked_.load();
  if (fdatasync(descriptor_.get()) != 0) {
    failed_ = errno;
    return Error::from_errno(failed_, "flush failed");
  }
  done_ = covered;
  return {};
}

} // namespace block
