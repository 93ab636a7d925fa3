// The nbdkit command line that a configuration becomes.
#include "monitor/nbdkit-command.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>

namespace monitor {
namespace {

using Arguments = std::vector<std::string>;

class NbdkitCommandTest : public testing::Test {
protected:
  void add(const std::string& option, const std::string& text) {
    auto added = configuration_.add(option, text);
    ASSERT_TRUE(added.ok()) << added.error().message();
  }

  Arguments command(int ready_fd = -1) {
    auto made = nbdkit_command(configuration_, installation_, ready_fd);
    EXPECT_TRUE(made.ok()) << (made.ok() ? "" : made.error().message());
    return made ? *made : Arguments();
  }

  Configuration configuration_;
  NbdkitInstallation installation_{"/bin/nbdkit", "/lib/plugin.so", true, 0};
};

bool contains(const Arguments& arguments, const Arguments& part) {
  return std::search(arguments.begin(), arguments.end(), part.begin(), part.end()) !=
         arguments.end();
}

TEST_F(NbdkitCommandTest, EveryOptionIsHandedOnUnchangedAndInOrder) {
  add("blockdev", "driver=raw,node-name=d,file.filename=a,,b=c");
  add("nbd-server", "addr.type=unix,addr.path=/run/nbd");
  add("export", "nbd,id=e,node-name=d");
  add("pidfile", "pid");
  EXPECT_EQ(command(), (Arguments{"dedup-storage-daemon", "-f", "/lib/plugin.so",
                                  "program=dedup-storage-daemon",
                                  "blockdev=driver=raw,node-name=d,file.filename=a,,b=c",
                                  "nbd-server=addr.type=unix,addr.path=/run/nbd",
                                  "export=nbd,id=e,node-name=d", "pidfile=pid"}));
}

TEST_F(NbdkitCommandTest, AnOldNbdkitGetsOneThreadAConnectionUnlessParallelIsAskedFor) {
  installation_.survives_dead_clients = false;
  add("nbd-server", "addr.type=unix,addr.path=p");
  EXPECT_TRUE(contains(command(), {"-t", "1"}));

  configuration_ = {};
  add("nbd-server", "addr.type=unix,addr.path=p,parallel=on");
  EXPECT_FALSE(contains(command(), {"-t", "1"}));
  EXPECT_TRUE(contains(command(), {"parallel=on"}));
}

TEST_F(NbdkitCommandTest, ALimitOfConnectionsBecomesAFilter) {
  add("nbd-server", "addr.type=unix,addr.path=p,max-connections=7");
  EXPECT_TRUE(contains(command(), {"--filter=limit", "/lib/plugin.so"}));
  EXPECT_TRUE(contains(command(), {"limit=7"}));
}

TEST_F(NbdkitCommandTest, TooFewDescriptorsLimitTheConnections) {
  installation_.most_connections = 20;
  add("nbd-server", "addr.type=unix,addr.path=p");
  EXPECT_TRUE(contains(command(), {"limit=20"}));

  configuration_ = {};
  add("nbd-server", "addr.type=unix,addr.path=p,max-connections=7");
  EXPECT_TRUE(contains(command(), {"limit=7"}));

  configuration_ = {};
  add("nbd-server", "addr.type=unix,addr.path=p,max-connections=100");
  EXPECT_TRUE(contains(command(), {"limit=20"}));
}

TEST_F(NbdkitCommandTest, TheReadinessDescriptorIsTold) {
  add("nbd-server", "addr.type=unix,addr.path=p");
  EXPECT_TRUE(contains(command(5), {"ready-fd=5"}));
}

class NbdkitTlsTest : public NbdkitCommandTest {
protected:
  NbdkitTlsTest()
      : directory_(testing::TempDir() + "tls-" +
                   testing::UnitTest::GetInstance()->current_test_info()->name()) {
    std::filesystem::create_directory(directory_);
  }
  ~NbdkitTlsTest() override { std::filesystem::remove_all(directory_); }

  void make_file(const std::string& name) { std::ofstream(directory_ + "/" + name) << "x"; }

  const std::string directory_;
};

TEST_F(NbdkitTlsTest, SharedKeysAreRequired) {
  make_file("keys.psk");
  add("object", "tls-creds-psk,id=t,endpoint=server,dir=" + directory_);
  add("nbd-server", "addr.type=unix,addr.path=p,tls-creds=t");
  EXPECT_TRUE(contains(command(), {"--tls=require", "--tls-psk=" + directory_ + "/keys.psk"}));
  EXPECT_FALSE(contains(command(), {"--tls-verify-peer"}));
}

TEST_F(NbdkitTlsTest, CertificatesThatAreNoneAreAnErrorThatNamesTheOption) {
  for (const char* name : {"ca-cert.pem", "server-cert.pem", "server-key.pem"})
    make_file(name);
  const std::string text = "tls-creds-x509,id=t,endpoint=server,dir=" + directory_;
  add("object", text);
  add("nbd-server", "addr.type=unix,addr.path=p,tls-creds=t");
  auto made = nbdkit_command(configuration_, installation_, -1);
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.error().message().find("--object " + text + ": Unable to use " + directory_), 0u)
      << made.error().message();
}

TEST_F(NbdkitTlsTest, AMissingFileIsAnErrorThatNamesItAndTheOption) {
  make_file("ca-cert.pem");
  std::string text = "tls-creds-x509,id=t,endpoint=server,dir=" + directory_;
  add("object", text);
  add("nbd-server", "addr.type=unix,addr.path=p,tls-creds=t");
  auto made = nbdkit_command(configuration_, installation_, -1);
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.error().message(), "--object " + text + ": Unable to access credentials " +
                                        directory_ + "/server-cert.pem: No such file or directory");
}

TEST_F(NbdkitTlsTest, AnUnknownObjectIsAnError) {
  add("nbd-server", "addr.type=unix,addr.path=p,tls-creds=t");
  EXPECT_FALSE(nbdkit_command(configuration_, installation_, -1).ok());
}

} // namespace
} // namespace monitor
