// Listening for NBD clients before a server runs, so that errors name our option.
#include "monitor/nbd-sockets.h"

#include <cerrno>
#include <charconv>
#include <memory>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace monitor {
namespace {

using block::Descriptor;
using block::Error;
using block::ErrorKind;
using block::Result;

constexpr int most_sockets = 16; // the addresses of one host

Result<Descriptor> listening_socket(const sockaddr* address, socklen_t length) {
  Descriptor socket(::socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  // A restarted daemon finds connections of its predecessor that TCP has not forgotten yet.
  if (address->sa_family != AF_UNIX)
    setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  // Each family has a socket of its own.
  if (address->sa_family == AF_INET6)
    setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  if (bind(socket.get(), address, length) != 0 || listen(socket.get(), SOMAXCONN) != 0)
    return Error::from_errno(errno, "");
  return socket;
}

Result<void> make_room(const std::string& path, const sockaddr_un& address) {
  struct stat facts {};
  if (lstat(path.c_str(), &facts) != 0 || !S_ISSOCK(facts.st_mode)) return {};
  const Descriptor probe(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int connected =
      connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  if (connected == 0) return Error::from_errno(EADDRINUSE, "");
  if (errno == ECONNREFUSED) unlink(path.c_str());
  return {};
}

Result<std::vector<Descriptor>> listen_at_path(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path))
    return Error(ErrorKind::invalid_argument, "the path of a socket has 1 to " +
                                                  std::to_string(sizeof(address.sun_path) - 1) +
                                                  " bytes");
  path.copy(address.sun_path, path.size());
  BLOCK_TRY(make_room(path, address));
  BLOCK_TRY_ASSIGN(Descriptor socket,
                   listening_socket(reinterpret_cast<const sockaddr*>(&address), sizeof(address)));
  std::vector<Descriptor> sockets;
  sockets.push_back(std::move(socket));
  return sockets;
}

Result<void> check_port(const std::string& text) {
  std::uint16_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && end == text.data() + text.size()) return {};
  return Error(ErrorKind::invalid_argument, "'" + text + "' is not a port number");
}

Result<std::vector<Descriptor>> listen_at_host(const std::string& host, const std::string& port) {
  BLOCK_TRY(check_port(port));
  addrinfo wanted{};
  wanted.ai_socktype = SOCK_STREAM;
  wanted.ai_flags = AI_PASSIVE;
  addrinfo* raw = nullptr;
  const int failed =
      getaddrinfo(host.empty() ? nullptr : host.c_str(), port.c_str(), &wanted, &raw);
  if (failed != 0) return Error(ErrorKind::not_found, host + ": " + gai_strerror(failed));
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> addresses(raw, freeaddrinfo);

  std::vector<Descriptor> sockets;
  Result<void> last;
  for (const addrinfo* each = raw; each && sockets.size() < most_sockets; each = each->ai_next) {
    auto socket = listening_socket(each->ai_addr, each->ai_addrlen);
    if (socket)
      sockets.push_back(std::move(*socket));
    else if (socket.error().errno_value() == EADDRINUSE)
      return std::move(socket).error(); // its clients would get to another server
    else
      last = std::move(socket).error();
  }
  // A name may have addresses that this machine cannot use; one that works is enough.
  if (sockets.empty() && !last) return std::move(last).error();
  return sockets;
}

} // namespace

Result<std::vector<Descriptor>> listen_for_nbd(const qapi::SocketAddress& address) {
  if (const auto* at_path = std::get_if<qapi::UnixSocketAddress>(&address.u)) {
    auto sockets = listen_at_path(at_path->path);
    if (!sockets) return std::move(sockets).error().context(at_path->path);
    return sockets;
  }
  const auto& inet = std::get<qapi::InetSocketAddress>(address.u);
  return listen_at_host(inet.host, inet.port);
}

} // namespace monitor
