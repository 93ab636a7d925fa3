// JSON text on its way out is ASCII whatever is in it.
#include "qapi/json/writer.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace {

TEST(JsonText, separates_as_clients_are_used_to) {
  const nlohmann::ordered_json value = {
      {"b", 1}, {"a", {true, nullptr, 1.5, "x"}}, {"c", nlohmann::ordered_json::object()}};
  EXPECT_EQ(qapi::json_text(value), R"({"b": 1, "a": [true, null, 1.5, "x"], "c": {}})");
}

TEST(JsonText, escapes_everything_outside_ascii) {
  EXPECT_EQ(qapi::json_string("\xC3\xA9 \xF0\x9F\x98\x80 \"\\\n\x01\x7F"),
            "\"\\u00e9 \\ud83d\\ude00 \\\"\\\\\\n\\u0001\\u007f\"");
}

TEST(JsonText, replaces_bytes_that_are_not_utf8) {
  EXPECT_EQ(qapi::json_string("a\xFF"
                              "b\xC3"),
            "\"a\\ufffdb\\ufffd\"");
  const nlohmann::json object = {{"k\x80", "v\x80"}};
  EXPECT_EQ(qapi::json_text(object), R"({"k\ufffd": "v\ufffd"})");
}

} // namespace
