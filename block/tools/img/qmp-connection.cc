// QmpConnection: framing and deadlines over a GSocket.
#include "block/tools/img/qmp-connection.h"

#include "qapi/json/parser.h"

#include <gio/gio.h>
#include <gio/gunixsocketaddress.h>
#include <nlohmann/json.hpp>
#include <sys/un.h>

namespace tools::img {

using block::Error;
using block::ErrorKind;
using block::Result;
using nlohmann::json;

namespace {

constexpr std::size_t piece_bytes = 64 * 1024;

Error failed(const std::string& what) {
  return Error(ErrorKind::io, what);
}

Error too_late() {
  return failed("no answer within " + std::to_string(QmpConnection::patience.count()) + " seconds");
}

// Waits for the condition. Returns false at the deadline.
Result<bool> wait_for(GSocket* socket, GIOCondition condition,
                      std::chrono::steady_clock::time_point deadline) {
  auto left = std::chrono::duration_cast<std::chrono::microseconds>(
      deadline - std::chrono::steady_clock::now());
  if (left.count() <= 0) return false;
  g_autoptr(GError) error = nullptr;
  if (g_socket_condition_timed_wait(socket, condition, left.count(), nullptr, &error)) return true;
  if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT)) return false;
  return failed(error->message);
}

} // namespace

void QmpConnection::Close::operator()(GSocket* socket) const {
  g_object_unref(socket);
}

Result<QmpConnection> QmpConnection::open(const std::string& socket_path) {
  if (socket_path.size() >= sizeof(sockaddr_un::sun_path))
    return Error(ErrorKind::invalid_argument, "the path is too long for a socket");
  g_autoptr(GError) error = nullptr;
  Socket socket(
      g_socket_new(G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_DEFAULT, &error));
  if (!socket) return failed(error->message);
  g_autoptr(GSocketAddress) address = g_unix_socket_address_new(socket_path.c_str());
  g_socket_set_timeout(socket.get(), static_cast<guint>(patience.count()));
  if (!g_socket_connect(socket.get(), address, nullptr, &error)) return failed(error->message);
  // From here on each wait has its own deadline.
  g_socket_set_blocking(socket.get(), FALSE);
  QmpConnection connection(std::move(socket));
  BLOCK_TRY(connection.negotiate());
  return connection;
}

Result<void> QmpConnection::negotiate() {
  Result<json> greeting = next_message(Clock::now() + patience);
  if (!greeting) return std::move(greeting).error().context("waiting for the QMP greeting");
  if (!greeting->is_object() || !greeting->contains("QMP"))
    return failed("what answers there does not speak QMP");
  BLOCK_TRY(command("qmp_capabilities"));
  return {};
}

Result<json> QmpConnection::command(const std::string& name) {
  Clock::time_point deadline = Clock::now() + patience;
  BLOCK_TRY(send(json{{"execute", name}}.dump() + "\n", deadline));
  while (true) {
    BLOCK_TRY_ASSIGN(json message, next_message(deadline));
    if (message.is_object() && message.contains("event")) continue;
    if (message.is_object() && message.contains("return")) return message["return"];
    if (message.is_object() && message.contains("error")) {
      const json& error = message["error"];
      if (error.is_object() && error.contains("desc") && error["desc"].is_string())
        return failed(name + ": " + printable(error["desc"].get<std::string>()));
    }
    return failed(name + ": the answer makes no sense");
  }
}

Result<bool> QmpConnection::stays_open_for(std::chrono::duration<double> time) {
  Clock::time_point deadline = Clock::now() + std::chrono::duration_cast<Clock::duration>(time);
  while (true) {
    std::string_view rest = received_;
    while (framer_.next(rest)) {
    }
    BLOCK_TRY_ASSIGN(Arrival arrival, receive(deadline));
    if (arrival != Arrival::data) return arrival == Arrival::nothing;
  }
}

Error QmpConnection::note_closed() {
  closed_ = true;
  return failed("the connection was closed");
}

Result<json> QmpConnection::next_message(Clock::time_point deadline) {
  while (true) {
    std::string_view rest = received_;
    auto frame = framer_.next(rest);
    received_.erase(0, received_.size() - rest.size());
    if (frame && !frame->error.empty()) return failed("what answers there does not speak QMP");
    if (frame) return qapi::parse_frame(frame->text);
    BLOCK_TRY_ASSIGN(Arrival arrival, receive(deadline));
    if (arrival == Arrival::end) return note_closed();
    if (arrival == Arrival::nothing) return too_late();
  }
}

Result<void> QmpConnection::send(const std::string& text, Clock::time_point deadline) {
  for (std::size_t sent = 0; sent < text.size();) {
    BLOCK_TRY_ASSIGN(bool ready, wait_for(socket_.get(), G_IO_OUT, deadline));
    if (!ready) return too_late();
    g_autoptr(GError) error = nullptr;
    gssize bytes =
        g_socket_send(socket_.get(), text.data() + sent, text.size() - sent, nullptr, &error);
    if (bytes < 0 && g_error_matches(error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK)) continue;
    if (bytes < 0 && g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CONNECTION_CLOSED))
      return note_closed();
    if (bytes < 0) return failed(error->message);
    sent += static_cast<std::size_t>(bytes);
  }
  return {};
}

// Receives the next bytes into received_. To be called when received_ is used up.
Result<QmpConnection::Arrival> QmpConnection::receive(Clock::time_point deadline) {
  while (true) {
    BLOCK_TRY_ASSIGN(bool ready, wait_for(socket_.get(), G_IO_IN, deadline));
    if (!ready) return Arrival::nothing;
    received_.resize(piece_bytes);
    g_autoptr(GError) error = nullptr;
    gssize bytes =
        g_socket_receive(socket_.get(), received_.data(), received_.size(), nullptr, &error);
    received_.resize(bytes > 0 ? static_cast<std::size_t>(bytes) : 0);
    if (bytes > 0) return Arrival::data;
    // A peer that died may leave a connection that is reset.
    if (bytes == 0 || g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CONNECTION_CLOSED))
      return Arrival::end;
    if (!g_error_matches(error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK)) return failed(error->message);
  }
}

std::string printable(const std::string& text) {
  std::string shown;
  g_autofree char* valid = g_utf8_make_valid(text.data(), static_cast<gssize>(text.size()));
  for (const char *at = valid, *next; *at != '\0'; at = next) {
    next = g_utf8_next_char(at);
    if (g_unichar_isprint(g_utf8_get_char(at)))
      shown.append(at, next);
    else
      shown.push_back('?');
  }
  return shown;
}

} // namespace tools::img
