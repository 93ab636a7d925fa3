// QmpConnection: the asking end of a QMP session on a Unix socket.
#ifndef BLOCK_TOOLS_IMG_QMP_CONNECTION_H
#define BLOCK_TOOLS_IMG_QMP_CONNECTION_H

#include "block/result.h"
#include "qapi/json/framer.h"

#include <chrono>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>

struct _GSocket;

namespace tools::img {

// The peer is not trusted: a message has at most 1 MiB (qapi/json), and no call waits longer than
// `patience` in all, however slowly bytes arrive. Texts in errors may come from the peer. One
// thread.
class QmpConnection {
public:
  static constexpr std::chrono::seconds patience{10};

  // Connects, and goes through the greeting and the negotiation.
  static block::Result<QmpConnection> open(const std::string& socket_path);

  // What a command without arguments returns. Errors: the peer's own, and those of a peer that is
  // silent, gone or unintelligible.
  block::Result<nlohmann::json> command(const std::string& name);

  // Waits, and drops the events that arrive. False: the peer has closed the connection.
  block::Result<bool> stays_open_for(std::chrono::duration<double> time);

  // A call has failed because the peer had closed the connection, so every further one will.
  bool closed() const { return closed_; }

private:
  using Clock = std::chrono::steady_clock;
  struct Close {
    void operator()(_GSocket* socket) const;
  };
  using Socket = std::unique_ptr<_GSocket, Close>;

  explicit QmpConnection(Socket socket) : socket_(std::move(socket)) {}
  block::Result<void> negotiate();
  block::Error note_closed();
  block::Result<nlohmann::json> next_message(Clock::time_point deadline);
  block::Result<void> send(const std::string& text, Clock::time_point deadline);
  enum class Arrival { data, end, nothing };
  block::Result<Arrival> receive(Clock::time_point deadline);

  Socket socket_;
  qapi::JsonFramer framer_;
  std::string received_; // and not yet framed; at most one piece
  bool closed_ = false;
};

// Text from a peer as it may be shown on a terminal: control characters become question marks.
std::string printable(const std::string& text);

} // namespace tools::img

#endif
