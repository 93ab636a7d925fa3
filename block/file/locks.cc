// Image locks: open file description locks on single bytes that stand for permissions.
//
// A program that uses an image holds a shared lock on the byte 100 + bit for each permission that
// it has, and on the byte 200 + bit for each permission that it denies to others. Shared locks
// never conflict. So each program first takes its locks, and then tests, by asking for an exclusive
// lock, whether another program holds the opposite byte. Because every program takes first and
// tests second, at least one of two that start at the same time finds the conflict. QEMU uses the
// same bytes, so QEMU and this driver exclude each other.
#include "block/file/locks.h"

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

namespace block {
namespace {

constexpr off_t permission_base = 100;
constexpr off_t unshared_base = 200;

constexpr unsigned consistent_read = 1 << 0;
constexpr unsigned write_permission = 1 << 1;
constexpr unsigned resize = 1 << 3;
constexpr std::array<const char*, 4> names = {"consistent read", "write", "write unchanged",
                                              "resize"};

struct flock byte_lock(off_t byte, short type) {
  struct flock lock = {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = byte;
  lock.l_len = 1;
  return lock;
}

// Returns 0 or an errno value.
int hold(int descriptor, off_t byte) {
  struct flock lock = byte_lock(byte, F_RDLCK);
  return fcntl(descriptor, F_OFD_SETLK, &lock) == 0 ? 0 : errno;
}

// Returns whether another open file holds the byte. An error counts as no.
bool held_by_another(int descriptor, off_t byte) {
  struct flock lock = byte_lock(byte, F_WRLCK);
  return fcntl(descriptor, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

Error conflict(const char* kind, const char* name, const std::string& filename) {
  return Error(ErrorKind::busy, EAGAIN,
               std::string("Failed to get ") + kind + "\"" + name + "\" lock")
      .with_hint("Is another process using the image [" + filename + "]?");
}

} // namespace

Result<void> lock_file(int descriptor, bool write, Locking locking, const std::string& filename) {
  if (locking == Locking::off) return {};
  const unsigned permissions = consistent_read | (write ? write_permission | resize : 0);
  const unsigned unshared = write_permission | resize;

  for (unsigned bit = 0; bit < names.size(); ++bit) {
    int failed = 0;
    if (permissions & (1u << bit)) failed = hold(descriptor, permission_base + bit);
    if (failed == 0 && unshared & (1u << bit)) failed = hold(descriptor, unshared_base + bit);
    if (failed == EAGAIN || failed == EACCES) return conflict("", names[bit], filename);
    if (failed == 0) continue;
    if (locking == Locking::automatic) return {};
    return Error::from_errno(failed, "Failed to lock '" + filename + "'");
  }
  for (unsigned bit = 0; bit < names.size(); ++bit) {
    if (permissions & (1u << bit) && held_by_another(descriptor, unshared_base + bit))
      return conflict("", names[bit], filename);
    if (unshared & (1u << bit) && held_by_another(descriptor, permission_base + bit))
      return conflict("shared ", names[bit], filename);
  }
  return {};
}

} // namespace block
