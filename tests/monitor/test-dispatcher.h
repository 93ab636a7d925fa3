// A dispatcher for tests of the monitor: a few commands that need no daemon.
#ifndef TESTS_MONITOR_TEST_DISPATCHER_H
#define TESTS_MONITOR_TEST_DISPATCHER_H

#include "qapi/dispatcher.h"

#include <atomic>

namespace test {

// "echo" returns its arguments, "large" 1,000,000 bytes of text; "fail" and "no-device" fail.
class TestDispatcher final : public qapi::Dispatcher {
public:
  bool knows(std::string_view command) const override;
  block::Result<std::string> run(std::string_view command,
                                 const nlohmann::json& arguments) override;

  std::atomic<int> runs = 0; // also read by the thread of a test
};

// Whether a stranger's parser takes the text as one JSON object that is a result or an error.
bool is_reply(const std::string& text);

} // namespace test

#endif
