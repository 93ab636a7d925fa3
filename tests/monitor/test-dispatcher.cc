// The commands of the test dispatcher. Here, and not in the tests, because nlohmann compiles
// slowly.
#include "test-dispatcher.h"

#include "qapi/json/writer.h"

#include <nlohmann/json.hpp>

namespace test {

bool TestDispatcher::knows(std::string_view command) const {
  return command == "echo" || command == "large" || command == "fail" || command == "no-device";
}

block::Result<std::string> TestDispatcher::run(std::string_view command,
                                               const nlohmann::json& arguments) {
  ++runs;
  if (command == "large") return '"' + std::string(1000000, 'x') + '"';
  if (command == "fail")
    return block::Error(block::ErrorKind::not_found, "Could not open '\xFF': no such file");
  if (command == "no-device")
    return block::Error(block::ErrorKind::device_not_found, "Device 'x' not found");
  return qapi::json_text(arguments);
}

bool is_reply(const std::string& text) {
  const auto json = nlohmann::json::parse(text, nullptr, false);
  return json.is_object() && json.contains("return") != json.contains("error");
}

} // namespace test
