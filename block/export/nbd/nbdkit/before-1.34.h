// What exists only because of nbdkit before 1.34, which Debian 12 has.
//
// Such an nbdkit aborts, with all its connections, if a client disappears while more than one
// thread of its connection has an answer to send. So it serves the requests of one connection one
// at a time, unless parallel=on says that clients stay alive. When 1.34 is the oldest version
// supported, this file goes, and parallel=on with it.
#ifndef BLOCK_EXPORT_NBD_NBDKIT_BEFORE_1_34_H
#define BLOCK_EXPORT_NBD_NBDKIT_BEFORE_1_34_H

#include "block/result.h"

#include <compare>
#include <string>
#include <string_view>
#include <vector>

namespace exports {

struct NbdkitVersion {
  unsigned major = 0;
  unsigned minor = 0;
  auto operator<=>(const NbdkitVersion&) const = default;
};

// Parses the output of "nbdkit --dump-config". Errors: invalid_argument.
block::Result<NbdkitVersion> parse_nbdkit_version(std::string_view configuration);

// Runs the program for its version, because nbdkit gives plugins no version, and that of the
// headers at build time may differ. Errors: io if the program cannot be run, invalid_argument if it
// is not nbdkit.
block::Result<NbdkitVersion> nbdkit_version(const std::string& program);

// Returns whether several requests of one connection may run at once.
constexpr bool survives_dead_clients(NbdkitVersion version) {
  return version >= NbdkitVersion{1, 34};
}

// The same for the program that runs this process. If the answer is no, logs one line about it.
bool this_nbdkit_survives_dead_clients();

// The options for nbdkit of that version with which it survives.
std::vector<std::string> options_against_dead_clients(NbdkitVersion version);

} // namespace exports

#endif
