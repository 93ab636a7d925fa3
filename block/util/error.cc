// Error: kinds, errno values, and the phrases that layers add.
#include "block/error.h"

#include <cerrno>
#include <cstring>

namespace block {
namespace {

int errno_for(ErrorKind kind) {
  switch (kind) {
  case ErrorKind::invalid_argument:
    return EINVAL;
  case ErrorKind::not_found:
    return ENOENT;
  case ErrorKind::device_not_found:
    return ENODEV;
  case ErrorKind::exists:
    return EEXIST;
  case ErrorKind::permission:
    return EPERM;
  case ErrorKind::busy:
    return EBUSY;
  case ErrorKind::unsupported:
    return ENOTSUP;
  case ErrorKind::corrupt:
    return EIO;
  case ErrorKind::no_space:
    return ENOSPC;
  case ErrorKind::io:
    return EIO;
  case ErrorKind::not_dedup:
    return ENOTSUP;
  }
  return EIO;
}

ErrorKind kind_for(int errno_value) {
  switch (errno_value) {
  case EINVAL:
  case EFBIG:
  case EOVERFLOW:
    return ErrorKind::invalid_argument;
  case ENOENT:
  case ENOTDIR:
    return ErrorKind::not_found;
  case EEXIST:
    return ErrorKind::exists;
  case EPERM:
  case EACCES:
  case EROFS:
    return ErrorKind::permission;
  case EBUSY:
  case EAGAIN:
    return ErrorKind::busy;
  case ENOTSUP:
  case ENOSYS:
    return ErrorKind::unsupported;
  case ENOSPC:
  case EDQUOT:
    return ErrorKind::no_space;
  default:
    return ErrorKind::io;
  }
}

} // namespace

Error::Error(ErrorKind kind, std::string message)
    : Error(kind, errno_for(kind), std::move(message)) {}

Error::Error(ErrorKind kind, int errno_value, std::string message)
    : kind_(kind), errno_value_(errno_value), message_(std::move(message)) {}

Error Error::from_errno(int errno_value, std::string_view what) {
  char buffer[128];
  std::string message(what);
  if (!message.empty()) message += ": ";
  message += strerror_r(errno_value, buffer, sizeof buffer);
  return Error(kind_for(errno_value), errno_value, std::move(message));
}

Error Error::context(std::string_view phrase) && {
  message_.insert(0, ": ");
  message_.insert(0, phrase);
  return std::move(*this);
}

Error Error::with_hint(std::string hint) && {
  hint_ = std::move(hint);
  return std::move(*this);
}

} // namespace block
