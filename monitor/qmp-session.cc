// QmpSession: the form of requests, the negotiation, replies.
#include "monitor/qmp-session.h"

#include "qapi/json/parser.h"
#include "qapi/json/writer.h"
#include "qapi/marshal.h"

#include <nlohmann/json.hpp>

namespace monitor {
namespace {

using nlohmann::json;

constexpr const char* generic_error = "GenericError";
constexpr const char* command_not_found = "CommandNotFound";
constexpr const char* device_not_found = "DeviceNotFound";
constexpr const char* negotiation_command = "qmp_capabilities";

block::Error refused(std::string message) {
  return block::Error(block::ErrorKind::invalid_argument, std::move(message));
}

// Returns null if the object has no such member.
const json* member(const json& object, const char* name) {
  const auto found = object.find(name);
  return found == object.end() ? nullptr : &*found;
}

// Checks that a request has no members but execute, arguments and id.
block::Result<void> check_form(const json& request) {
  for (const auto& [name, value] : request.items()) {
    if (name == "execute") {
      if (!value.is_string()) return refused("QMP input member 'execute' must be a string");
    } else if (name == "arguments") {
      if (!value.is_object()) return refused("QMP input member 'arguments' must be an object");
    } else if (name != "id") {
      return refused("QMP input member '" + name + "' is unexpected");
    }
  }
  if (!request.contains("execute")) return refused("QMP input lacks member 'execute'");
  return {};
}

// Returns {"return": ...} or {"error": ...}, followed by the request's id if it has one.
std::string reply_line(std::string_view name, std::string_view value, const json* id) {
  std::string line = "{\"";
  line.append(name).append("\": ").append(value);
  if (id) line.append(", \"id\": ").append(qapi::json_text(*id));
  return line += "}\r\n";
}

std::string error_line(std::string_view error_class, std::string_view description, const json* id) {
  std::string value = "{\"class\": " + qapi::json_string(error_class);
  value.append(", \"desc\": ").append(qapi::json_string(description)).append("}");
  return reply_line("error", value, id);
}

} // namespace

std::optional<std::string> QmpSession::handle(std::string_view& input) {
  const auto frame = framer_.next(input);
  if (!frame) return std::nullopt;
  if (!frame->error.empty()) return error_line(generic_error, frame->error, nullptr);
  return reply_to(frame->text);
}

std::string QmpSession::reply_to(std::string_view request_text) {
  const auto request = qapi::parse_frame(request_text);
  if (!request) return error_line(generic_error, request.error().message(), nullptr);
  if (!request->is_object())
    return error_line(generic_error, "QMP input must be a JSON object", nullptr);
  const json* id = member(*request, "id");
  if (const auto form = check_form(*request); !form)
    return error_line(generic_error, form.error().message(), id);

  const auto& command = (*request)["execute"].get_ref<const std::string&>();
  if (const auto reason = why_not_found(command)) return error_line(command_not_found, *reason, id);
  const json* arguments = member(*request, "arguments");
  const auto result = run(command, arguments ? *arguments : json::object());
  if (result) return reply_line("return", *result, id);
  const bool no_device = result.error().kind() == block::ErrorKind::device_not_found;
  return error_line(no_device ? device_not_found : generic_error, result.error().message(), id);
}

// Returns the reason why the command does not exist in the present state, or nothing if it exists.
std::optional<std::string> QmpSession::why_not_found(const std::string& command) const {
  const bool is_negotiation = command == negotiation_command;
  if (!negotiated_ && !is_negotiation)
    return "Expecting capabilities negotiation with 'qmp_capabilities'";
  if (negotiated_ && is_negotiation)
    return "Capabilities negotiation is already complete, command ignored";
  if (!is_negotiation && !dispatcher_.knows(command))
    return "The command " + command + " has not been found";
  return std::nullopt;
}

block::Result<std::string> QmpSession::run(const std::string& command, const json& arguments) {
  return negotiated_ ? dispatcher_.run(command, arguments) : negotiate(arguments);
}

block::Result<std::string> QmpSession::negotiate(const json& arguments) {
  qapi::QmpCapabilitiesArguments wanted;
  BLOCK_TRY(read(qapi::Input(arguments), wanted));
  if (wanted.enable && !wanted.enable->empty())
    return refused(std::string("Capability '") + name_of(wanted.enable->front()) +
                   "' is not offered");
  negotiated_ = true;
  return std::string("{}");
}

std::string greeting_line(const qapi::VersionInfo& version) {
  return "{\"QMP\": {\"version\": " + to_text(version) + ", \"capabilities\": []}}\r\n";
}

std::string event_line(const qapi::Event& event, std::int64_t time) {
  constexpr std::int64_t microseconds = 1000000;
  return "{\"timestamp\": {\"seconds\": " + std::to_string(time / microseconds) +
         ", \"microseconds\": " + std::to_string(time % microseconds) +
         "}, \"event\": " + qapi::json_string(event.name) + ", \"data\": " + event.data + "}\r\n";
}

} // namespace monitor
