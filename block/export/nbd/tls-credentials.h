// TlsCredentials: the files that an NBD server uses for TLS.
#ifndef BLOCK_EXPORT_NBD_TLS_CREDENTIALS_H
#define BLOCK_EXPORT_NBD_TLS_CREDENTIALS_H

#include "block/result.h"

#include <string>

namespace exports {

struct TlsCredentials {
  enum class Kind { x509, psk };
  std::string id; // for the options that refer to it
  Kind kind;
  std::string directory;
  bool verify_peer; // x509: clients need a certificate too
};

// Tests that the files can be read and, for certificates, that they belong together. So an error
// can name the option that the user typed before a server starts. Errors: those of the system,
// invalid_argument.
block::Result<void> check_tls_files(const TlsCredentials& credentials);

} // namespace exports

#endif
