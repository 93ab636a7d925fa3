// Errors as values: every function of the block layer that can fail returns one instead of
// throwing.
//
// An error has a kind (programs decide on it), an errno value (sent by NBD and FUSE), a message
// (for the user) and sometimes a hint (what the user can do). Each layer that passes an error up
// may put one phrase in front with context(). No exception crosses a module boundary.
#ifndef BLOCK_ERROR_H
#define BLOCK_ERROR_H

#include <string>
#include <string_view>

namespace block {

enum class ErrorKind {
  invalid_argument, // the caller's request or option is invalid
  not_found,        // a file, node, driver, export or option that does not exist
  device_not_found, // a command names a node that does not exist (class DeviceNotFound in QMP)
  exists,           // the name is taken already
  permission,       // not allowed: read-only node, file mode
  busy,             // in use: locked by another process, attached to an export
  unsupported,      // valid, but this build or driver cannot do it
  corrupt,          // the image contradicts its format or itself
  no_space,         // the file system or the image is full
  io,               // the operating system failed the request
  not_dedup,        // a deduplication request for a node without deduplication
};

class [[nodiscard]] Error {
public:
  // The errno value follows from the kind: one table for NBD, FUSE and exit codes.
  Error(ErrorKind kind, std::string message);
  Error(ErrorKind kind, int errno_value, std::string message);

  // For a failed system call: kind and text follow from the errno value, as in "WHAT: No such file
  // or directory".
  static Error from_errno(int errno_value, std::string_view what);

  ErrorKind kind() const { return kind_; }
  // A positive errno value.
  int errno_value() const { return errno_value_; }
  // One line without a final full stop or line feed.
  const std::string& message() const { return message_; }
  // Empty, or one further line with the action that the user can take.
  const std::string& hint() const { return hint_; }

  // Puts "PHRASE: " in front of the message.
  Error context(std::string_view phrase) &&;
  Error with_hint(std::string hint) &&;

private:
  ErrorKind kind_;
  int errno_value_;
  std::string message_;
  std::string hint_;
};

} // namespace block

#endif
