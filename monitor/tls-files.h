// The files behind a TLS object, tried before nbdkit opens them.
#ifndef MONITOR_TLS_FILES_H
#define MONITOR_TLS_FILES_H

#include "monitor/configuration.h"

namespace monitor {

// Whether the files are there and, for certificates, whether they belong together. nbdkit would say
// such things too, but of file names that the user never typed and not of the option.
block::Result<void> check_tls_files(const TlsCredentials& credentials);

} // namespace monitor

#endif
