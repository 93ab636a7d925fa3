// QmpSession: the dialogue with one client, as bytes in and bytes out, without sockets.
//
// A session begins with the greeting and the negotiation: the first command must be
// qmp_capabilities. Every request gets exactly one reply, in order. Input that is not a request
// gets one error reply.
#ifndef MONITOR_QMP_SESSION_H
#define MONITOR_QMP_SESSION_H

#include "qapi/dispatcher.h"
#include "qapi/json/framer.h"
#include "qapi/types.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace monitor {

// Used on the monitor's thread. Stores at most qapi::max_json_bytes of an incomplete request.
class QmpSession {
public:
  // The dispatcher outlives the session.
  explicit QmpSession(qapi::Dispatcher& dispatcher) : dispatcher_(dispatcher) {}

  // Removes bytes from the front of `input`, up to and including the first request, runs the
  // request and returns the reply as a line. Returns nothing if the input is used up. The result
  // does not depend on how a stream is split into inputs.
  std::optional<std::string> handle(std::string_view& input);

  // The negotiation has succeeded: commands are run and events are sent.
  bool negotiated() const { return negotiated_; }

private:
  std::string reply_to(std::string_view request_text);
  std::optional<std::string> why_not_found(const std::string& command) const;
  block::Result<std::string> run(const std::string& command, const nlohmann::json& arguments);
  block::Result<std::string> negotiate(const nlohmann::json& arguments);

  qapi::Dispatcher& dispatcher_;
  qapi::JsonFramer framer_;
  bool negotiated_ = false;
};

// Returns the line that every client gets first.
std::string greeting_line(const qapi::VersionInfo& version);
// Returns the line of an event. `time`: when it happened, in microseconds since 1970.
std::string event_line(const qapi::Event& event, std::int64_t time);

} // namespace monitor

#endif
