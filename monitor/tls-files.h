// The files of a TLS object, tested before nbdkit opens them.
#ifndef MONITOR_TLS_FILES_H
#define MONITOR_TLS_FILES_H

#include "monitor/configuration.h"

namespace monitor {

// Returns an error if a file is missing, or if certificates do not match. nbdkit would report this,
// too, but with file names that the user did not type, and without naming the option.
block::Result<void> check_tls_files(const TlsCredentials& credentials);

} // namespace monitor

#endif
