// The sockets for NBD clients, and what cannot be listened at.
#include "monitor/nbd-sockets.h"

#include "tests/support/temporary-directory.h"

#include <filesystem>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace monitor {
namespace {

qapi::SocketAddress at_path(const std::string& path) {
  qapi::SocketAddress address;
  address.u = qapi::UnixSocketAddress{.path = path};
  return address;
}

qapi::SocketAddress at_host(const std::string& host, const std::string& port) {
  qapi::SocketAddress address;
  address.u = qapi::InetSocketAddress{.host = host, .port = port};
  return address;
}

std::string failure(const qapi::SocketAddress& address) {
  auto sockets = listen_for_nbd(address);
  return sockets ? "it listens" : sockets.error().message();
}

class NbdSockets : public testing::Test {
protected:
  block::TemporaryDirectory directory;
};

TEST_F(NbdSockets, APathIsListenedAtOnce) {
  const std::string path = directory.file("s");
  auto sockets = listen_for_nbd(at_path(path));
  ASSERT_TRUE(sockets.ok()) << sockets.error().message();
  ASSERT_EQ(sockets->size(), 1u);
  int listens = 0;
  socklen_t length = sizeof listens;
  getsockopt(sockets->front().get(), SOL_SOCKET, SO_ACCEPTCONN, &listens, &length);
  EXPECT_EQ(listens, 1);
  EXPECT_EQ(failure(at_path(path)), path + ": Address already in use");
}

TEST_F(NbdSockets, AnAbandonedSocketIsReplacedAndAFileIsNot) {
  const std::string path = directory.file("s");
  ASSERT_TRUE(listen_for_nbd(at_path(path)).ok()); // closed again, the file stays
  EXPECT_TRUE(listen_for_nbd(at_path(path)).ok());
  const std::string file = directory.make("f", "content");
  EXPECT_EQ(failure(at_path(file)), file + ": Address already in use");
  EXPECT_EQ(directory.content("f"), "content");
}

TEST_F(NbdSockets, PathsThatCannotBeAreNamed) {
  const std::string absent = directory.file("absent/s");
  EXPECT_EQ(failure(at_path(absent)), absent + ": No such file or directory");
  EXPECT_NE(failure(at_path(std::string(108, 'x'))).find("1 to 107 bytes"), std::string::npos);
  EXPECT_NE(failure(at_path("")).find("1 to 107 bytes"), std::string::npos);
}

TEST_F(NbdSockets, PortsThatCannotBeAreNamed) {
  for (const char* port : {"", "65536", "99999", "-1", "x", "10809 ", "0x10"})
    EXPECT_EQ(failure(at_host("127.0.0.1", port)),
              "'" + std::string(port) + "' is not a port number");
  EXPECT_EQ(failure(at_host("nowhere.invalid", "1")).find("nowhere.invalid: "), 0u);
}

TEST_F(NbdSockets, APortInUseIsAnErrorOnAnyAddress) {
  auto first = listen_for_nbd(at_host("127.0.0.1", "0"));
  ASSERT_TRUE(first.ok()) << first.error().message();
  sockaddr_in address{};
  socklen_t length = sizeof address;
  ASSERT_EQ(getsockname(first->front().get(), reinterpret_cast<sockaddr*>(&address), &length), 0);
  const std::string port = std::to_string(ntohs(address.sin_port));
  EXPECT_EQ(failure(at_host("127.0.0.1", port)), "Address already in use");
  EXPECT_EQ(failure(at_host("", port)), "Address already in use");
}

} // namespace
} // namespace monitor
