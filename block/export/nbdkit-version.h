// The version of the nbdkit program that serves, and what has to be avoided with it.
#ifndef BLOCK_EXPORT_NBDKIT_VERSION_H
#define BLOCK_EXPORT_NBDKIT_VERSION_H

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

// From the output of "nbdkit --dump-config". Errors: invalid_argument.
block::Result<NbdkitVersion> parse_nbdkit_version(std::string_view configuration);

// Asks the program itself, because it need not be the one whose headers we were built with. Errors:
// io when it cannot be run, invalid_argument when it is not nbdkit.
block::Result<NbdkitVersion> nbdkit_version(const std::string& program);

// Whether several requests of one connection may run at once: before 1.34, nbdkit aborts when a
// client vanishes while more than one of its threads has an answer to send.
constexpr bool survives_dead_clients(NbdkitVersion version) {
  return version >= NbdkitVersion{1, 34};
}

} // namespace exports

#endif
