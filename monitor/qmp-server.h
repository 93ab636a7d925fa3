// QmpServer: the monitor's sockets and clients.
#ifndef MONITOR_QMP_SERVER_H
#define MONITOR_QMP_SERVER_H

#include "block/result.h"
#include "monitor/glib-handle.h"
#include "monitor/qmp-client.h"
#include "monitor/qmp-listener.h"
#include "qapi/dispatcher.h"
#include "qapi/types.h"

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace monitor {

// Every function but broadcast() is called on the thread that iterates the context, or while no
// thread iterates it. Command handlers run on that thread, from the context.
class QmpServer {
public:
  // The dispatcher outlives the server. `context` is not null.
  QmpServer(GMainContext* context, qapi::Dispatcher& dispatcher, qapi::VersionInfo version);
  QmpServer(const QmpServer&) = delete;
  QmpServer& operator=(const QmpServer&) = delete;
  ~QmpServer(); // close()

  // Listens on one more socket. Clients are served when the context is iterated. Returns the port,
  // 0 for a Unix socket. Errors: those of QmpListener::open().
  block::Result<std::uint16_t> listen(const qapi::ChardevSocketOptions& options);

  // Sends an event with the time of this call to every client that has negotiated. Any thread.
  // Returns at once; the server's thread sends the event later, so an event that a handler
  // broadcasts follows the reply to its command. Events are dropped after close().
  void broadcast(const qapi::Event& event);

  // Stops listening, removes the sockets, sends queued replies and events (for one second at most,
  // all clients together), and disconnects. Further calls have no effect. Not to be called by a
  // handler.
  void close();

private:
  struct Listening {
    QmpListener listener;
    SourceHandle source;
  };

  static gboolean on_connection(GSocket* socket, GIOCondition condition, gpointer server);
  static gboolean on_events(gpointer server);

  void accept(GSocket* socket);
  void arm_listeners();
  void pause_listening();
  void deliver_events();

  GMainContext* context_;
  qapi::Dispatcher& dispatcher_;
  const qapi::VersionInfo version_;
  std::vector<Listening> listening_;
  SourceHandle pause_source_; // ends a pause of listening
  std::list<std::unique_ptr<QmpClient>> clients_;

  std::mutex events_mutex_;
  std::vector<std::string> events_; // guarded by events_mutex_: lines to deliver
  SourceHandle events_source_;      // guarded by events_mutex_: set if there are events
  bool closed_ = false;             // guarded by events_mutex_
};

} // namespace monitor

#endif
