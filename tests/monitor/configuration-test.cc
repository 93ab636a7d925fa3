// What the daemon's options mean.
#include "monitor/configuration.h"

#include <gtest/gtest.h>

namespace monitor {
namespace {

// The error of one option, or "" if it is taken.
std::string error_of(Configuration& configuration, const std::string& option,
                     const std::string& text) {
  auto added = configuration.add(option, text);
  return added ? "" : added.error().message();
}

TEST(Configuration, TakesABlockdevAsListAndAsJson) {
  Configuration configuration;
  ASSERT_EQ(error_of(configuration, "blockdev",
                     "qcow2,node-name=d,file.driver=file,file.filename=with,,comma"),
            "");
  ASSERT_EQ(error_of(configuration, "blockdev",
                     R"({"driver": "qcow2", "node-name": "e", "read-only": true,)"
                     R"( "file": {"driver": "file", "filename": "with,comma"}})"),
            "");
  ASSERT_EQ(configuration.blockdevs().size(), 2u);
  EXPECT_EQ(configuration.blockdevs()[0].value.entries().at("driver"), "qcow2");
  EXPECT_EQ(configuration.blockdevs()[0].value.entries().at("file.filename"), "with,comma");
  EXPECT_EQ(configuration.blockdevs()[1].value.entries().at("file.filename"), "with,comma");
  EXPECT_EQ(configuration.blockdevs()[1].value.entries().at("read-only"), "on");
}

TEST(Configuration, ASocketTakesShortForms) {
  for (const char* options : {"server,nowait", "server=on,nowait", "nowait,server", "server"}) {
    Configuration configuration;
    ASSERT_EQ(error_of(configuration, "chardev", std::string("socket,id=q,path=/run/q,") + options),
              "");
    ASSERT_EQ(error_of(configuration, "monitor", "q,nopretty"), "");
    auto monitors = configuration.monitors();
    ASSERT_TRUE(monitors.ok());
    EXPECT_EQ(monitors->at(0).value.server, true);
    EXPECT_FALSE(monitors->at(0).value.wait.value_or(false));
  }
  Configuration configuration;
  EXPECT_NE(error_of(configuration, "chardev", "socket,id=q,path=/run/q,noserver"), "");
  EXPECT_NE(error_of(configuration, "chardev", "socket,id=q,path=/run/q,server,wait"), "");
  EXPECT_NE(error_of(configuration, "chardev", "socket,id=q,path=/run/q,server,nonsense"), "");
}

TEST(Configuration, ABlockdevNeedsANodeName) {
  Configuration configuration;
  EXPECT_EQ(error_of(configuration, "blockdev", "driver=raw"),
            "--blockdev driver=raw: Parameter 'node-name' is missing");
}

TEST(Configuration, TakesAnExportWithAndWithoutTheWordType) {
  Configuration configuration;
  ASSERT_EQ(error_of(configuration, "export", "type=nbd,id=a,node-name=d,writable=on"), "");
  ASSERT_EQ(error_of(configuration, "export", "nbd,id=b,node-name=d,name=n"), "");
  EXPECT_EQ(configuration.exports()[0].value.writable, true);
  EXPECT_EQ(std::get<qapi::BlockExportOptionsNbd>(configuration.exports()[1].value.u).name, "n");
}

TEST(Configuration, RefusesUnknownMembersByName) {
  Configuration configuration;
  EXPECT_EQ(error_of(configuration, "export", "nbd,id=b,node-name=d,nonsense=n"),
            "--export nbd,id=b,node-name=d,nonsense=n: Parameter 'nonsense' is unexpected");
  EXPECT_NE(error_of(configuration, "monitor", "chardev=a,nonsense=n"), "");
  EXPECT_NE(error_of(configuration, "object", "tls-creds-psk,id=a,dir=b,endpoint=server,x=y"), "");
}

TEST(Configuration, TakesBothKindsOfNbdAddress) {
  Configuration configuration;
  ASSERT_EQ(error_of(configuration, "nbd-server", "addr.type=inet,addr.host=h,addr.port=10809"),
            "");
  const auto& address = configuration.nbd_server()->value.options.addr;
  EXPECT_EQ(std::get<qapi::InetSocketAddress>(address.u).port, "10809");
  EXPECT_NE(error_of(configuration, "nbd-server", "addr.type=unix,addr.path=p"), "")
      << "there is one NBD server only";
}

TEST(Configuration, AMonitorNeedsAListeningSocket) {
  Configuration configuration;
  ASSERT_EQ(error_of(configuration, "chardev", "socket,id=q,path=/run/q,server=on,wait=off"), "");
  ASSERT_EQ(error_of(configuration, "monitor", "q"), "");
  auto monitors = configuration.monitors();
  ASSERT_TRUE(monitors.ok());
  EXPECT_EQ(monitors->at(0).value.path, "/run/q");
  EXPECT_TRUE(configuration.idle_chardevs().empty());
  ASSERT_EQ(error_of(configuration, "chardev", "socket,id=i,path=/run/i,server=on,wait=off"), "");
  ASSERT_EQ(configuration.idle_chardevs().size(), 1u);
  EXPECT_EQ(configuration.idle_chardevs()[0].text,
            "--chardev socket,id=i,path=/run/i,server=on,wait=off");

  EXPECT_NE(error_of(configuration, "chardev", "socket,id=q,path=p,server=on,wait=off"), "");
  EXPECT_NE(error_of(configuration, "chardev", "socket,id=r,path=p"), "");
  EXPECT_NE(error_of(configuration, "chardev", "socket,id=r,path=p,server=on,wait=on"), "");
  EXPECT_NE(error_of(configuration, "chardev", "socket,id=r,server=on"), "");
  EXPECT_NE(error_of(configuration, "chardev", "socket,id=r,host=h,server=on"), "");
  EXPECT_NE(error_of(configuration, "chardev", "file,id=r,path=p"), "");
  ASSERT_EQ(error_of(configuration, "monitor", "chardev=absent,mode=control"), "");
  EXPECT_EQ(configuration.monitors().error().message(),
            "--monitor chardev=absent,mode=control: chardev 'absent' not found");
}

TEST(Configuration, TlsCredentialsAreForAServerAndVerifyCertificatesUnlessToldOtherwise) {
  Configuration configuration;
  ASSERT_EQ(error_of(configuration, "object", "tls-creds-x509,id=x,dir=/d,endpoint=server"), "");
  ASSERT_EQ(error_of(configuration, "object",
                     "tls-creds-x509,id=y,dir=/d,endpoint=server,verify-peer=off"),
            "");
  ASSERT_EQ(error_of(configuration, "object", "tls-creds-psk,id=z,dir=/d,endpoint=server"), "");
  EXPECT_TRUE(configuration.credentials()[0].value.verify_peer);
  EXPECT_FALSE(configuration.credentials()[1].value.verify_peer);
  EXPECT_EQ(configuration.credentials()[2].value.kind, exports::TlsCredentials::Kind::psk);
  EXPECT_NE(error_of(configuration, "object", "tls-creds-psk,id=c,dir=/d,endpoint=client"), "");
  EXPECT_NE(error_of(configuration, "object", "tls-creds-psk,id=z,dir=/d,endpoint=server"), "");
  EXPECT_NE(error_of(configuration, "object", "secret,id=s,data=x"), "");
}

TEST(Configuration, TheNbdServerNamesItsTlsCredentials) {
  Configuration configuration;
  EXPECT_FALSE(configuration.nbd_credentials()->has_value());
  ASSERT_EQ(error_of(configuration, "nbd-server", "addr.type=unix,addr.path=p,tls-creds=x"), "");
  EXPECT_EQ(configuration.nbd_credentials().error().message(),
            "--nbd-server addr.type=unix,addr.path=p,tls-creds=x: No TLS credentials with id 'x'");
  ASSERT_EQ(error_of(configuration, "object", "tls-creds-psk,id=y,dir=/y,endpoint=server"), "");
  ASSERT_EQ(error_of(configuration, "object", "tls-creds-psk,id=x,dir=/x,endpoint=server"), "");
  EXPECT_EQ((*configuration.nbd_credentials())->value.directory, "/x");
}

TEST(Configuration, RelativePathsOfSocketsAndPidFileBecomeAbsolute) {
  Configuration configuration;
  ASSERT_EQ(error_of(configuration, "pidfile", "daemon.pid"), "");
  EXPECT_TRUE(configuration.pidfile().starts_with("/"));
  EXPECT_TRUE(configuration.pidfile().ends_with("/daemon.pid"));
}

TEST(Configuration, RemembersTheOptionsAsTheyWereGiven) {
  Configuration configuration;
  ASSERT_EQ(error_of(configuration, "module", "/m.so"), "");
  ASSERT_EQ(error_of(configuration, "blockdev", "driver=raw,node-name=d"), "");
  ASSERT_NE(error_of(configuration, "blockdev", "broken"), "");
  ASSERT_EQ(configuration.items().size(), 2u);
  EXPECT_EQ(configuration.items()[1].option, "blockdev");
  EXPECT_EQ(configuration.items()[1].text, "driver=raw,node-name=d");
}

} // namespace
} // namespace monitor
