// A dispatcher for tests of the monitor: a few commands that need no daemon.
#ifndef TESTS_MONITOR_TEST_DISPATCHER_H
#define TESTS_MONITOR_TEST_DISPATCHER_H

#include "qapi/dispatcher.h"
#include "qapi/json/writer.h"

#include <atomic>
#include <nlohmann/json.hpp>

namespace test {

// "echo" returns its arguments, "large" 100,000 bytes of text; "fail" and "no-device" fail.
class TestDispatcher final : public qapi::Dispatcher {
public:
  bool knows(std::string_view command) const override {
    return command == "echo" || command == "large" || command == "fail" || command == "no-device";
  }
  block::Result<std::string> run(std::string_view command,
                                 const nlohmann::json& arguments) override {
    ++runs;
    if (command == "large") return '"' + std::string(100000, 'x') + '"';
    if (command == "fail")
      return block::Error(block::ErrorKind::not_found, "Could not open '\xFF': no such file");
    if (command == "no-device")
      return block::Error(block::ErrorKind::device_not_found, "Device 'x' not found");
    return qapi::json_text(arguments);
  }
  std::atomic<int> runs = 0; // also read by the thread of a test
};

} // namespace test

#endif
