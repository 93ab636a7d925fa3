// The version of the running nbdkit program, and the faults of old versions that must be avoided.
#ifndef BLOCK_EXPORT_NBD_NBDKIT_BEFORE_1_34_H
#define BLOCK_EXPORT_NBD_NBDKIT_BEFORE_1_34_H

#include "block/result.h"

#include <compare>
#include <string>
#include <string_view>

namespace exports {

struct NbdkitVersion {
  unsigned major = 0;
  unsigned minor = 0;
  auto operator<=>(const NbdkitVersion&) const = default;
};

// Parses the output of "nbdkit --dump-config". Errors: invalid_argument.
block::Result<NbdkitVersion> parse_nbdkit_version(std::string_view configuration);

// Runs the program for its version, because it may differ from the version of the headers at build
// time. Errors: io if the program cannot be run, invalid_argument if it is not nbdkit.
block::Result<NbdkitVersion> nbdkit_version(const std::string& program);

// Returns whether several requests of one connection may run at once. nbdkit before 1.34 aborts if
// a client disappears while more than one of its threads has an answer to send.
constexpr bool survives_dead_clients(NbdkitVersion version) {
  return version >= NbdkitVersion{1, 34};
}

} // namespace exports

#endif
