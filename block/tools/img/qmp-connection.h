// QmpConnection: the client side of a QMP session on a Unix socket.
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
// `patience` in total, even if bytes arrive slowly. Texts in errors may come from the peer. One
// thread.
class QmpConnection {
public:
  static constexpr std::chrono::seconds patience{10};

  // Connects, reads the greeting and negotiates the capabilities.
  static block::Result<QmpConnection> open(const std::string& socket_path);

  // Runs a command without arguments and returns its result. Errors: the error that the peer
  // returned; a peer that does not answer in time, has closed the connection or sends invalid
  // messages.
  block::Result<nlohmann::json> command(const std::string& name);

  // Waits for that time and drops the events that arrive. Returns false if the peer closes the
  // connection.
  block::Result<bool> stays_open_for(std::chrono::duration<double> time);

  // True after a call failed because the peer closed the connection. Every further call then fails.
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
  std::string received_; // received but not yet framed; at most one piece
  bool closed_ = false;
};

// Returns the text with its control characters replaced by question marks, so that text of a peer
// can be printed on a terminal.
std::string printable(const std::string& text);

} // namespace tools::img

#endif
