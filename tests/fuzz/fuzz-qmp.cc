// libFuzzer: any bytes from a QMP client, in pieces of any size.
#include "monitor/qmp-session.h"
#include "tests/fuzz/hostile-image.h"
#include "tests/monitor/test-dispatcher.h"

#include <algorithm>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  test::TestDispatcher dispatcher;
  monitor::QmpSession session(dispatcher);
  const std::size_t piece_bytes = data[0] == 0 ? size : data[0];
  std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  std::size_t replies = 0;
  while (!rest.empty()) {
    std::string_view piece = rest.substr(0, piece_bytes);
    rest.remove_prefix(piece.size());
    while (const auto reply = session.handle(piece)) {
      fuzz::require(reply->ends_with("\r\n"), "a reply is a line");
      fuzz::require(std::all_of(reply->begin(), reply->end() - 2,
                                [](char c) { return c >= ' ' && c <= '~'; }),
                    "a reply is ASCII text");
      fuzz::require(test::is_reply(*reply), "a reply is a result or an error: " + *reply);
      ++replies;
    }
    fuzz::require(piece.empty(), "a session takes all that comes");
  }
  fuzz::require(replies <= size, "no more replies than bytes");
  std::string_view request = "\xFF{\"execute\": \"echo\", \"id\": \"in step\"}";
  std::string last;
  while (const auto reply = session.handle(request))
    last = *reply;
  fuzz::require(last.find("\"id\": \"in step\"") != std::string::npos,
                "the session is in step again after a reset");
  return 0;
}
