// QmpSession: one conversation, bytes in and bytes out.
#include "monitor/qmp-session.h"

#include "test-dispatcher.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <vector>

namespace {

using test::TestDispatcher;

class QmpSession : public testing::Test {
protected:
  // The lines that come back for the bytes, without their CRLF, one after the other.
  std::string talk(std::string_view bytes) {
    std::string replies;
    while (const auto reply = session.handle(bytes)) {
      EXPECT_EQ(reply->substr(reply->size() - 2), "\r\n");
      replies += reply->substr(0, reply->size() - 2);
    }
    EXPECT_TRUE(bytes.empty());
    return replies;
  }
  void negotiate() { ASSERT_EQ(talk(R"({"execute": "qmp_capabilities"})"), R"({"return": {}})"); }
  static std::string error(const std::string& text,
                           const std::string& error_class = "GenericError") {
    return R"({"error": {"class": ")" + error_class + R"(", "desc": ")" + text + "\"}}";
  }

  TestDispatcher dispatcher;
  monitor::QmpSession session{dispatcher};
};

TEST_F(QmpSession, greets_with_the_version_and_the_capabilities_it_has) {
  EXPECT_EQ(monitor::greeting_line({{1, 2, 3}, "qcow2-dedup 1.2.3"}),
            R"({"QMP": {"version": {"qemu": {"major": 1, "minor": 2, "micro": 3}, )"
            R"("package": "qcow2-dedup 1.2.3"}, "capabilities": []}})"
            "\r\n");
}

TEST_F(QmpSession, runs_no_command_before_the_negotiation) {
  const std::string expected =
      error("Expecting capabilities negotiation with 'qmp_capabilities'", "CommandNotFound");
  EXPECT_EQ(talk(R"({"execute": "echo"})"), expected);
  EXPECT_EQ(talk(R"({"execute": "nonsense"})"), expected);
  EXPECT_EQ(dispatcher.runs, 0);
  EXPECT_FALSE(session.negotiated());
}

TEST_F(QmpSession, negotiates_once) {
  negotiate();
  EXPECT_TRUE(session.negotiated());
  EXPECT_EQ(
      talk(R"({"execute": "qmp_capabilities"})"),
      error("Capabilities negotiation is already complete, command ignored", "CommandNotFound"));
}

TEST_F(QmpSession, stays_in_negotiation_when_a_capability_is_not_offered) {
  EXPECT_EQ(talk(R"({"execute": "qmp_capabilities", "arguments": {"enable": ["oob"]}})"),
            error("Capability 'oob' is not offered"));
  EXPECT_EQ(talk(R"({"execute": "qmp_capabilities", "arguments": {"enable": ["magic"]}})"),
            error("Parameter 'enable[0]' does not accept value 'magic'"));
  EXPECT_EQ(talk(R"({"execute": "qmp_capabilities", "arguments": {"enable": "oob"}})"),
            error("Invalid parameter type for 'enable', expected: array"));
  EXPECT_EQ(talk(R"({"execute": "qmp_capabilities", "arguments": {"x": 1}})"),
            error("Parameter 'x' is unexpected"));
  EXPECT_FALSE(session.negotiated());
  EXPECT_EQ(talk(R"({"execute": "qmp_capabilities", "arguments": {"enable": []}})"),
            R"({"return": {}})");
}

TEST_F(QmpSession, echoes_ids_of_every_type_with_results_and_errors) {
  negotiate();
  for (const std::string id :
       {"1", "-1", "1.5", "\"x\"", "null", "false", "[1, [2]]", R"({"a": {"b": "\u00e9"}})"}) {
    EXPECT_EQ(talk(R"({"execute": "echo", "id": )" + id + "}"),
              R"({"return": {}, "id": )" + id + "}");
    EXPECT_EQ(
        talk(R"({"id": )" + id + R"(, "execute": "none"})"),
        R"({"error": {"class": "CommandNotFound", "desc": "The command none has not been found"}, "id": )" +
            id + "}");
    EXPECT_EQ(
        talk(R"({"id": )" + id + "}"),
        R"({"error": {"class": "GenericError", "desc": "QMP input lacks member 'execute'"}, "id": )" +
            id + "}");
  }
}

TEST_F(QmpSession, names_what_is_wrong_with_a_request) {
  negotiate();
  EXPECT_EQ(talk("[]"), error("QMP input must be a JSON object"));
  EXPECT_EQ(talk("12 "), error("QMP input must be a JSON object"));
  EXPECT_EQ(talk("{}"), error("QMP input lacks member 'execute'"));
  EXPECT_EQ(talk(R"({"execute": 1})"), error("QMP input member 'execute' must be a string"));
  EXPECT_EQ(talk(R"({"execute": "echo", "arguments": []})"),
            error("QMP input member 'arguments' must be an object"));
  EXPECT_EQ(talk(R"({"execute": "echo", "extra": 1})"),
            error("QMP input member 'extra' is unexpected"));
  EXPECT_EQ(talk(R"({"exec-oob": "echo"})"), error("QMP input member 'exec-oob' is unexpected"));
  EXPECT_EQ(talk(R"({"execute": "echo", "execute": "fail"})"),
            error("JSON parse error, duplicate key 'execute'"));
  EXPECT_EQ(dispatcher.runs, 0);
}

TEST_F(QmpSession, gives_errors_their_class_and_replaces_bad_utf8_in_them) {
  negotiate();
  EXPECT_EQ(talk(R"({"execute": "no-device"})"), error("Device 'x' not found", "DeviceNotFound"));
  EXPECT_EQ(talk(R"({"execute": "fail"})"), error("Could not open '\\ufffd': no such file"));
}

TEST_F(QmpSession, accepts_single_quotes_and_requests_without_separator) {
  EXPECT_EQ(
      talk("{'execute':'qmp_capabilities','id':'a'}{'execute':'echo','arguments':{'x':'\"'}}"),
      R"({"return": {}, "id": "a"}{"return": {"x": "\""}})");
}

TEST_F(QmpSession, goes_on_after_garbage) {
  negotiate();
  EXPECT_EQ(talk("GET / HTTP/1.1\r\n{\"execute\": \"echo\"}"),
            error("JSON parse error, stray 'G'") + R"({"return": {}})");
}

TEST(QmpSessionStream, gives_the_same_replies_wherever_the_stream_is_cut) {
  const std::string stream =
      "{\"execute\": \"echo\"}{'execute': 'qmp_capabilities', 'id': 7}\n@\n"
      "{\"execute\": \"echo\", \"arguments\": {\"a\": \"\\u00e9\xC3\xA9\"}}{\"x\": tru}";
  std::string whole;
  for (std::size_t cut = 0; cut <= stream.size(); ++cut) {
    TestDispatcher dispatcher;
    monitor::QmpSession session(dispatcher);
    std::string replies;
    for (std::string_view part :
         {std::string_view(stream).substr(0, cut), std::string_view(stream).substr(cut)})
      while (const auto reply = session.handle(part))
        replies += *reply;
    if (cut == 0) whole = replies;
    ASSERT_EQ(replies, whole) << "cut at " << cut;
  }
  EXPECT_EQ(std::count(whole.begin(), whole.end(), '\n'), 5);
}

TEST(EventLine, carries_seconds_and_microseconds) {
  EXPECT_EQ(monitor::event_line({"SHUTDOWN", R"({"guest": false})"}, 1700000000000042),
            R"({"timestamp": {"seconds": 1700000000, "microseconds": 42}, "event": "SHUTDOWN", )"
            R"("data": {"guest": false}})"
            "\r\n");
}

} // namespace
