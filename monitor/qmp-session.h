// QmpSession: one client's conversation, as bytes in and bytes out; knows no sockets.
//
// A session begins with the greeting and in negotiation: the first command must be
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

// Used on the monitor's thread. Holds at most qapi::max_json_bytes of a request that is not
// complete.
class QmpSession {
public:
  // The dispatcher outlives the session.
  explicit QmpSession(qapi::Dispatcher& dispatcher) : dispatcher_(dispatcher) {}

  // Takes bytes off the front of `input`, up to and including the first request, runs it and
  // returns the reply as a line. Nothing: the input is used up. Splitting a stream anywhere changes
  // nothing.
  std::optional<std::string> handle(std::string_view& input);

  // The negotiation is over: commands are run, events are sent.
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

// The line every client gets first.
std::string greeting_line(const qapi::VersionInfo& version);
// An event with the time it happened, in microseconds since 1970.
std::string event_line(const qapi::Event& event, std::int64_t time);

} // namespace monitor

#endif
