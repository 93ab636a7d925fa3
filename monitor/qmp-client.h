// QmpClient: one connection: a session, the bytes on their way in and those on their way out.
//
// Memory is bounded in both directions. Input is read only when the earlier input is used up and
// the client reads its replies. A client that does not read, so that events accumulate, is
// disconnected.
#ifndef MONITOR_QMP_CLIENT_H
#define MONITOR_QMP_CLIENT_H

#include "monitor/glib-handle.h"
#include "monitor/qmp-session.h"

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

namespace monitor {

// Used on the thread that iterates `context`. Only flush_until() blocks.
class QmpClient {
public:
  // `gone`: called when the connection has ended; it may destroy the client.
  QmpClient(GMainContext* context, ObjectHandle<GSocket> socket, qapi::Dispatcher& dispatcher,
            const qapi::VersionInfo& version, std::function<void(QmpClient*)> gone);
  QmpClient(const QmpClient&) = delete;
  QmpClient& operator=(const QmpClient&) = delete;

  // Queues an event if the client has negotiated. Returns false if the client does not read and
  // must be disconnected.
  [[nodiscard]] bool send_event(std::string_view line);

  // Sends the queued output, and waits for the client until `deadline` (g_get_monotonic_time()) at
  // most.
  void flush_until(gint64 deadline);

private:
  static gboolean on_socket(GSocket* socket, GIOCondition condition, gpointer client);
  static gboolean on_turn(gpointer client);

  void work();
  bool receive();
  bool send();
  void run_requests();
  void arm();
  std::size_t queued() const { return output_.size() - sent_; }

  GMainContext* context_;
  ObjectHandle<GSocket> socket_;
  QmpSession session_;
  std::function<void(QmpClient*)> gone_;
  std::string input_;    // received, not yet handled
  std::string output_;   // replies and events
  std::size_t sent_ = 0; // bytes of output_ that are sent
  bool end_of_input_ = false;
  SourceHandle socket_source_; // waits for the conditions in armed_
  GIOCondition armed_{};
  SourceHandle turn_source_; // set if there are requests left to run
};

} // namespace monitor

#endif
