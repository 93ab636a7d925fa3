// QmpListener: a listening socket for the monitor, on a Unix path or TCP.
#ifndef MONITOR_QMP_LISTENER_H
#define MONITOR_QMP_LISTENER_H

#include "block/result.h"
#include "monitor/glib-handle.h"
#include "monitor/made-file.h"
#include "qapi/types.h"

#include <cstdint>
#include <memory>
#include <string>

namespace monitor {

// Used on the monitor's thread. The destructor stops listening and removes a Unix socket, unless
// another file is at its path by then.
class QmpListener {
public:
  // Starts to listen. A Unix socket has mode 0600 from its creation. A socket that a dead process
  // left at the path is replaced. Errors: invalid_argument (contradicting options), busy (another
  // process listens there), those of the system.
  static block::Result<QmpListener> open(const qapi::ChardevSocketOptions& options);

  GSocket* socket() const { return socket_.get(); }
  // The port; 0 for a Unix socket.
  std::uint16_t port() const;

private:
  static block::Result<QmpListener> open_unix(const std::string& path);
  static block::Result<QmpListener> open_inet(const std::string& host, const std::string& port);
  static block::Result<QmpListener> open_address(GInetAddress* inet, std::uint16_t port,
                                                 const std::string& where);

  explicit QmpListener(ObjectHandle<GSocket> socket) : socket_(std::move(socket)) {}

  ObjectHandle<GSocket> socket_;
  std::unique_ptr<MadeFile> file_; // the socket's file; null for TCP
};

} // namespace monitor

#endif
