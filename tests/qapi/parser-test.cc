// Parsing JSON from outside: what nlohmann accepts and we do not.
#include "qapi/json/parser.h"

#include "qapi/command-line.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace {

using nlohmann::json;
using qapi::parse_json;

std::string error_of(std::string_view text) {
  const auto result = parse_json(text);
  return result ? "no error" : result.error().message();
}

TEST(ParseJson, builds_the_tree_of_nested_values) {
  const auto result =
      parse_json(R"( {"a": [1, -2, {"b": null}, []], "c": {}, "d": 'x', "e": 1.5, "f": true} )");
  ASSERT_TRUE(result) << result.error().message();
  EXPECT_EQ(*result, (json{{"a", {1, -2, {{"b", nullptr}}, json::array()}},
                           {"c", json::object()},
                           {"d", "x"},
                           {"e", 1.5},
                           {"f", true}}));
}

TEST(ParseJson, refuses_a_key_given_twice) {
  EXPECT_EQ(error_of(R"({"a": 1, "a": 2})"), "JSON parse error, duplicate key 'a'");
  EXPECT_EQ(error_of(R"([{"a": {"b": 1, "b": 1}}])"), "JSON parse error, duplicate key 'b'");
  EXPECT_EQ(error_of(R"({"a": 1, "\u0061": 2})"), "JSON parse error, duplicate key 'a'");
  EXPECT_TRUE(parse_json(R"({"a": {"a": 1}, "b": {"a": 1}})"));
}

TEST(ParseJson, keeps_integers_of_64_bits_and_refuses_larger_ones) {
  EXPECT_EQ(*parse_json("18446744073709551615"), json(UINT64_MAX));
  EXPECT_EQ(*parse_json("-9223372036854775808"), json(INT64_MIN));
  for (const char* text : {"18446744073709551616", "-9223372036854775809",
                           "[100000000000000000000000000000000000000]"})
    EXPECT_EQ(error_of(text), "JSON parse error, integer out of range");
}

TEST(ParseJson, refuses_a_number_beyond_the_range_of_double) {
  EXPECT_NE(error_of("1e999"), "no error");
}

TEST(ParseJson, refuses_text_that_is_not_utf8) {
  for (const char* bytes : {"\x80", "\xC3", "\xC0\xAF", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xF8"})
    EXPECT_NE(error_of(std::string("\"") + bytes + "\""), "no error");
  EXPECT_TRUE(parse_json("\"\xC3\xA9\xF0\x9F\x98\x80\""));
}

TEST(ParseJson, refuses_half_a_surrogate_pair) {
  EXPECT_NE(error_of(R"("\ud800")"), "no error");
  EXPECT_NE(error_of(R"("\udc00\ud800")"), "no error");
}

TEST(ParseJson, refuses_a_nul_character_even_when_escaped) {
  EXPECT_EQ(error_of(R"({"a": "x\u0000y"})"),
            "JSON parse error, a string contains a NUL character");
  EXPECT_EQ(error_of(R"({"\u0000": 1})"), "JSON parse error, a key contains a NUL character");
}

TEST(ParseJson, refuses_an_empty_text_and_more_than_one_value) {
  EXPECT_EQ(error_of(" \n"), "JSON parse error, there is no value");
  EXPECT_EQ(error_of("{} {}"), "JSON parse error, text after the value");
  EXPECT_EQ(error_of("{} x"), "JSON parse error, text after the value");
  EXPECT_EQ(error_of("{\"a\": "), "JSON parse error, the value is cut off");
}

TEST(ParseJson, says_where_the_error_is_without_repeating_the_input) {
  const std::string long_text(100000, 'x');
  const std::string error = error_of("[tru, \"" + long_text + "\"]");
  EXPECT_EQ(error.rfind("JSON parse error, at byte 5: ", 0), 0u) << error;
  EXPECT_LT(error.size(), 300u);
  EXPECT_LT(error_of("{\"" + long_text + "\": 1, \"" + long_text + "\": 1}").size(), 300u);
}

TEST(ParseJson, takes_the_greatest_size_and_depth_in_bounded_time) {
  std::string keys = "{";
  for (int i = 0; keys.size() < 1000000; ++i)
    keys += '"' + std::to_string(i) + "\": 1, ";
  EXPECT_TRUE(parse_json(keys + "\"x\": 1}"));
  EXPECT_TRUE(parse_json(std::string(1024, '[') + std::string(1024, ']')));
}

std::map<std::string, std::string> options_of(std::string_view text) {
  const auto options = qapi::options_from_json(text);
  if (!options) return {{"error", options.error().message()}};
  return options->entries();
}

using Entries = std::map<std::string, std::string>;

TEST(OptionsFromJson, flattens_members_and_lists_to_dotted_keys) {
  EXPECT_EQ(options_of(R"({"driver": "qcow2", "file": {"filename": "d", "locking": true},
                           "list": [1, {"x": false}], "backing": null, "n": -5})"),
            (Entries{{"driver", "qcow2"},
                     {"file.filename", "d"},
                     {"file.locking", "on"},
                     {"list.0", "1"},
                     {"list.1.x", "off"},
                     {"backing", ""},
                     {"n", "-5"}}));
}

TEST(OptionsFromJson, takes_strings_in_single_quotes) {
  EXPECT_EQ(options_of(R"({'file.filename': 'a"b\'c', "x": "it's"})"),
            (Entries{{"file.filename", "a\"b'c"}, {"x", "it's"}}));
}

TEST(OptionsFromJson, takes_dotted_keys_but_not_the_same_one_twice) {
  EXPECT_EQ(options_of(R"({"file.filename": "d"})"), (Entries{{"file.filename", "d"}}));
  EXPECT_EQ(options_of(R"({"file.filename": "d", "file": {"filename": "e"}})"),
            (Entries{{"error", "Parameter 'file.filename' is given twice"}}));
}

TEST(OptionsFromJson, refuses_what_is_no_json) {
  for (const char* bad : {"", "7", "{", "{'a':}", "{} x"})
    EXPECT_TRUE(options_of(bad).contains("error")) << bad;
}

TEST(OptionsFromJson, refuses_what_options_cannot_express) {
  EXPECT_EQ(options_of(R"({"file": {}})"), (Entries{{"error", "Parameter 'file' is empty"}}));
  EXPECT_EQ(options_of(R"({"a": {"": 1}})"), (Entries{{"error", "Parameter 'a.' is unexpected"}}));
  EXPECT_EQ(options_of("[]"),
            (Entries{{"error", "Invalid parameter type for 'arguments', expected: object"}}));
}

} // namespace
