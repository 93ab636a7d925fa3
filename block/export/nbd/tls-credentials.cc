// TlsCredentials: loads the files with GnuTLS, and drops what it loaded.
#include "block/export/nbd/tls-credentials.h"

#include <cerrno>
#include <gnutls/gnutls.h>
#include <memory>
#include <unistd.h>

namespace exports {
namespace {

using block::Error;
using block::ErrorKind;
using block::Result;

Result<void> expect_readable(const std::string& path) {
  if (access(path.c_str(), R_OK) == 0) return {};
  return Error::from_errno(errno, "Unable to access credentials " + path);
}

Error unusable(const std::string& what, int code) {
  return Error(ErrorKind::invalid_argument, "Unable to use " + what + ": " + gnutls_strerror(code));
}

Result<void> try_certificates(const std::string& authority, const std::string& certificate,
                              const std::string& key) {
  gnutls_certificate_credentials_t raw = nullptr;
  if (const int code = gnutls_certificate_allocate_credentials(&raw); code < 0)
    return unusable("certificates", code);
  const std::unique_ptr<gnutls_certificate_credentials_st,
                        decltype(&gnutls_certificate_free_credentials)>
      credentials(raw, gnutls_certificate_free_credentials);
  if (const int code =
          gnutls_certificate_set_x509_trust_file(raw, authority.c_str(), GNUTLS_X509_FMT_PEM);
      code < 0)
    return unusable(authority, code);
  if (const int code = gnutls_certificate_set_x509_key_file(raw, certificate.c_str(), key.c_str(),
                                                            GNUTLS_X509_FMT_PEM);
      code < 0)
    return unusable(certificate + " with " + key, code);
  return {};
}

} // namespace

Result<void> check_tls_files(const TlsCredentials& credentials) {
  const std::string& directory = credentials.directory;
  if (credentials.kind == TlsCredentials::Kind::psk)
    return expect_readable(directory + "/keys.psk");
  const std::string authority = directory + "/ca-cert.pem",
                    certificate = directory + "/server-cert.pem",
                    key = directory + "/server-key.pem";
  for (const std::string& file : {authority, certificate, key})
    BLOCK_TRY(expect_readable(file));
  return try_certificates(authority, certificate, key);
}

} // namespace exports
