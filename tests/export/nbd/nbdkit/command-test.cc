// The nbdkit command line for a task.
#include "block/export/nbd/nbdkit/command.h"

#include <algorithm>
#include <gtest/gtest.h>

namespace exports {
namespace {

using Arguments = std::vector<std::string>;

class NbdkitCommandTest : public testing::Test {
protected:
  Arguments command(int ready_fd = -1) { return nbdkit_command(task_, installation_, ready_fd); }

  NbdkitTask task_{"our-daemon", {}, {}, 0, false};
  NbdkitInstallation installation_{"/bin/nbdkit", "/lib/plugin.so", {1, 34}, 0};
};

bool contains(const Arguments& arguments, const Arguments& part) {
  return std::search(arguments.begin(), arguments.end(), part.begin(), part.end()) !=
         arguments.end();
}

TEST_F(NbdkitCommandTest, EveryOptionIsHandedOnUnchangedAndInOrder) {
  task_.options = {{"blockdev", "driver=raw,node-name=d,file.filename=a,,b=c"},
                   {"nbd-server", "addr.type=unix,addr.path=/run/nbd"},
                   {"export", "nbd,id=e,node-name=d"},
                   {"pidfile", "pid"}};
  EXPECT_EQ(command(), (Arguments{"our-daemon", "-f", "/lib/plugin.so", "program=our-daemon",
                                  "blockdev=driver=raw,node-name=d,file.filename=a,,b=c",
                                  "nbd-server=addr.type=unix,addr.path=/run/nbd",
                                  "export=nbd,id=e,node-name=d", "pidfile=pid"}));
}

TEST_F(NbdkitCommandTest, AnOldNbdkitGetsOneThreadAConnectionUnlessParallelIsAskedFor) {
  EXPECT_FALSE(contains(command(), {"-t"}));
  installation_.version = {1, 32};
  EXPECT_TRUE(contains(command(), {"-t", "1"}));
  task_.parallel = true;
  EXPECT_FALSE(contains(command(), {"-t"}));
  EXPECT_TRUE(contains(command(), {"parallel=on"}));
}

TEST_F(NbdkitCommandTest, ALimitOfConnectionsBecomesAFilter) {
  task_.max_connections = 7;
  EXPECT_TRUE(contains(command(), {"--filter=limit", "/lib/plugin.so"}));
  EXPECT_TRUE(contains(command(), {"limit=7"}));
}

TEST_F(NbdkitCommandTest, TooFewDescriptorsLimitTheConnections) {
  installation_.most_connections = 20;
  EXPECT_TRUE(contains(command(), {"limit=20"}));
  task_.max_connections = 7;
  EXPECT_TRUE(contains(command(), {"limit=7"}));
  task_.max_connections = 100;
  EXPECT_TRUE(contains(command(), {"limit=20"}));
}

TEST_F(NbdkitCommandTest, TheReadinessDescriptorIsPassedOn) {
  EXPECT_TRUE(contains(command(5), {"ready-fd=5"}));
}

TEST_F(NbdkitCommandTest, TlsIsRequiredWithAKeyOrCertificates) {
  task_.tls = TlsCredentials{"t", TlsCredentials::Kind::psk, "/keys", false};
  EXPECT_TRUE(contains(command(), {"--tls=require", "--tls-psk=/keys/keys.psk"}));
  EXPECT_FALSE(contains(command(), {"--tls-verify-peer"}));
  task_.tls = TlsCredentials{"t", TlsCredentials::Kind::x509, "/certificates", true};
  EXPECT_TRUE(contains(command(),
                       {"--tls=require", "--tls-certificates=/certificates", "--tls-verify-peer"}));
}

} // namespace
} // namespace exports
