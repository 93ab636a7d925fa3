// QmpListener: creates and removes the listening socket.
#include "monitor/qmp-listener.h"

#include <cerrno>
#include <charconv>
#include <gio/gunixsocketaddress.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace monitor {
namespace {

constexpr int backlog = 16;

block::Error invalid(std::string message) {
  return block::Error(block::ErrorKind::invalid_argument, std::move(message));
}

block::Error failed(const std::string& what, GError* raw) {
  const ErrorHandle error(raw);
  const bool busy = g_error_matches(error.get(), G_IO_ERROR, G_IO_ERROR_ADDRESS_IN_USE);
  return block::Error(busy ? block::ErrorKind::busy : block::ErrorKind::io,
                      what + ": " + error->message);
}

block::Result<ObjectHandle<GSocket>> new_socket(GSocketFamily family) {
  GError* error = nullptr;
  ObjectHandle<GSocket> socket(
      g_socket_new(family, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_DEFAULT, &error));
  if (!socket) return failed("monitor socket", error);
  g_socket_set_blocking(socket.get(), FALSE);
  g_socket_set_listen_backlog(socket.get(), backlog);
  return socket;
}

block::Result<void> bind_and_listen(GSocket* socket, GSocketAddress* address,
                                    const std::string& what) {
  GError* error = nullptr;
  if (!g_socket_bind(socket, address, TRUE, &error) || !g_socket_listen(socket, &error))
    return failed(what, error);
  return {};
}

// Returns whether there is a socket at the path on which no process listens.
bool is_abandoned(const std::string& path, GSocketAddress* address) {
  struct stat status;
  if (lstat(path.c_str(), &status) != 0 || !S_ISSOCK(status.st_mode)) return false;
  auto probe = new_socket(G_SOCKET_FAMILY_UNIX);
  GError* raw = nullptr;
  if (!probe || g_socket_connect(probe->get(), address, nullptr, &raw)) return false;
  const ErrorHandle error(raw);
  return g_error_matches(error.get(), G_IO_ERROR, G_IO_ERROR_CONNECTION_REFUSED);
}

} // namespace

block::Result<QmpListener> QmpListener::open(const qapi::ChardevSocketOptions& options) {
  const std::string who = "chardev '" + options.id + "'";
  if (!options.server.value_or(false)) return invalid(who + ": server=on is needed");
  if (options.wait.value_or(false)) return invalid(who + ": wait=on is not supported");
  if (options.path.has_value() == options.host.has_value())
    return invalid(who + ": either a path or a host is needed");
  if (options.path.has_value() && options.port.has_value())
    return invalid(who + ": a port goes with a host");
  if (options.host && !options.port) return invalid(who + ": a port is needed");
  auto listener = options.path ? open_unix(*options.path) : open_inet(*options.host, *options.port);
  if (!listener) return std::move(listener).error().context(who);
  return listener;
}

block::Result<QmpListener> QmpListener::open_unix(const std::string& path) {
  if (path.empty() || path.size() >= sizeof(sockaddr_un::sun_path))
    return invalid("the path of a socket has 1 to " +
                   std::to_string(sizeof(sockaddr_un::sun_path) - 1) + " bytes");
  const ObjectHandle<GSocketAddress> address(g_unix_socket_address_new(path.c_str()));
  BLOCK_TRY_ASSIGN(ObjectHandle<GSocket> socket, new_socket(G_SOCKET_FAMILY_UNIX));
  // bind() creates the file with the mode of the socket. A chmod() afterwards would leave a moment
  // in which others can connect, and the umask belongs to all threads.
  if (fchmod(g_socket_get_fd(socket.get()), S_IRUSR | S_IWUSR) != 0)
    return block::Error::from_errno(errno, path);
  if (is_abandoned(path, address.get()) && unlink(path.c_str()) != 0)
    return block::Error::from_errno(errno, path);
  BLOCK_TRY(bind_and_listen(socket.get(), address.get(), path));

  struct stat status;
  if (lstat(path.c_str(), &status) != 0) return block::Error::from_errno(errno, path);
  QmpListener listener(std::move(socket));
  listener.file_ = std::make_unique<MadeFile>(path, status);
  return listener;
}

block::Result<QmpListener> QmpListener::open_inet(const std::string& host,
                                                  const std::string& port) {
  const std::string where = host + ":" + port;
  std::uint16_t number = 0;
  const auto [end, code] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (code != std::errc() || end != port.data() + port.size())
    return invalid("'" + port + "' is not a port number");

  const ObjectHandle<GResolver> resolver(g_resolver_get_default());
  GError* error = nullptr;
  GList* addresses = g_resolver_lookup_by_name(resolver.get(), host.c_str(), nullptr, &error);
  if (!addresses) return failed(where, error);
  // Uses the first address that works, because a name may have addresses that this machine cannot
  // use.
  block::Result<QmpListener> result =
      open_address(static_cast<GInetAddress*>(addresses->data), number, where);
  for (GList* item = addresses->next; item && !result; item = item->next)
    result = open_address(static_cast<GInetAddress*>(item->data), number, where);
  g_resolver_free_addresses(addresses);
  return result;
}

block::Result<QmpListener> QmpListener::open_address(GInetAddress* inet, std::uint16_t port,
                                                     const std::string& where) {
  const ObjectHandle<GSocketAddress> address(g_inet_socket_address_new(inet, port));
  BLOCK_TRY_ASSIGN(ObjectHandle<GSocket> socket, new_socket(g_inet_address_get_family(inet)));
  BLOCK_TRY(bind_and_listen(socket.get(), address.get(), where));
  return QmpListener(std::move(socket));
}

std::uint16_t QmpListener::port() const {
  const ObjectHandle<GSocketAddress> address(g_socket_get_local_address(socket_.get(), nullptr));
  if (!address || !G_IS_INET_SOCKET_ADDRESS(address.get())) return 0;
  return g_inet_socket_address_get_port(G_INET_SOCKET_ADDRESS(address.get()));
}

} // namespace monitor
