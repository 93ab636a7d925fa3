// The files of TLS credentials, before a server uses them.
#include "block/export/nbd/tls-credentials.h"

#include "tests/support/temporary-directory.h"

#include <filesystem>
#include <gtest/gtest.h>

namespace exports {
namespace {

class TlsCredentialsTest : public testing::Test {
protected:
  TlsCredentialsTest() { std::filesystem::create_directory(keys_); }

  void make(const std::string& name) { directory_.make("keys/" + name, "x"); }
  std::string check(TlsCredentials::Kind kind) {
    const auto checked = check_tls_files({"t", kind, keys_, false});
    return checked ? "" : checked.error().message();
  }

  block::TemporaryDirectory directory_;
  const std::string keys_ = directory_.file("keys");
};

TEST_F(TlsCredentialsTest, ASharedKeyIsAFileThatCanBeRead) {
  EXPECT_EQ(check(TlsCredentials::Kind::psk),
            "Unable to access credentials " + keys_ + "/keys.psk" + ": No such file or directory");
  make("keys.psk");
  EXPECT_EQ(check(TlsCredentials::Kind::psk), "");
}

TEST_F(TlsCredentialsTest, AMissingFileIsNamed) {
  make("ca-cert.pem");
  EXPECT_EQ(check(TlsCredentials::Kind::x509), "Unable to access credentials " + keys_ +
                                                   "/server-cert.pem" +
                                                   ": No such file or directory");
}

TEST_F(TlsCredentialsTest, CertificatesThatAreNoneAreAnErrorThatNamesTheFile) {
  for (const char* name : {"ca-cert.pem", "server-cert.pem", "server-key.pem"})
    make(name);
  EXPECT_EQ(check(TlsCredentials::Kind::x509).find("Unable to use " + keys_ + "/"), 0u)
      << check(TlsCredentials::Kind::x509);
}

} // namespace
} // namespace exports
