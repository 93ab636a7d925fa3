// JsonFramer: values are found wherever the stream is cut, and limits hold before anything is
// parsed.
#include "qapi/json/framer.h"

#include <gtest/gtest.h>
#include <vector>

namespace {

using qapi::JsonFramer;

struct Frames {
  std::vector<std::string> values;
  std::vector<std::string> errors;
  bool operator==(const Frames&) const = default;
};

void feed(JsonFramer& framer, std::string_view bytes, Frames& frames) {
  while (auto frame = framer.next(bytes)) {
    if (frame->error.empty())
      frames.values.push_back(frame->text);
    else
      frames.errors.push_back(frame->error);
  }
}

Frames frames_of(std::string_view bytes) {
  JsonFramer framer;
  Frames frames;
  feed(framer, bytes, frames);
  return frames;
}

using Texts = std::vector<std::string>;

TEST(JsonFramer, cuts_values_that_follow_each_other_without_separator) {
  const Frames frames = frames_of(R"({"a": 1}{"b": [2]}[3])");
  EXPECT_EQ(frames.values, (Texts{R"({"a": 1})", R"({"b": [2]})", "[3]"}));
  EXPECT_TRUE(frames.errors.empty());
}

TEST(JsonFramer, needs_no_line_feed_and_minds_none_inside_a_value) {
  EXPECT_EQ(frames_of("{\"a\"\r\n:\t1\n}").values, (Texts{"{\"a\"\r\n:\t1\n}"}));
}

TEST(JsonFramer, takes_brackets_and_quotes_inside_strings_as_text) {
  const Texts text{R"({"a": "}]{\"'\\"})"};
  EXPECT_EQ(frames_of(text[0]).values, text);
}

TEST(JsonFramer, takes_scalars_as_values_of_their_own) {
  const Frames frames = frames_of("1 \"x\"true,");
  EXPECT_EQ(frames.values, (Texts{"1", "\"x\"", "true"}));
  EXPECT_EQ(frames.errors, (Texts{"JSON parse error, stray ','"}));
}

TEST(JsonFramer, turns_single_quotes_into_double_quotes) {
  EXPECT_EQ(frames_of(R"({'a': 'say "hi", it\'s'})").values,
            (Texts{R"({"a": "say \"hi\", it's"})"}));
  EXPECT_EQ(frames_of(R"(["it\'s", '\"', '\\'])").values, (Texts{R"(["it's", "\"", "\\"])"}));
}

TEST(JsonFramer, finds_the_same_frames_wherever_the_stream_is_cut) {
  const std::string stream = "{'a': 'b\\'\"c\\\\'}\n[1, {\"x\": \"\\u00e9\xC3\xA9\"}]@junk\n12 "
                             "{\"b\"]\n'q'\xFF{}\x01\x02\ttrue{]";
  const Frames whole = frames_of(stream);
  ASSERT_EQ(whole.values.size(), 6u);
  ASSERT_EQ(whole.errors.size(), 5u);
  for (std::size_t first = 0; first <= stream.size(); ++first) {
    for (std::size_t second = first; second <= stream.size(); ++second) {
      JsonFramer framer;
      Frames frames;
      feed(framer, stream.substr(0, first), frames);
      feed(framer, stream.substr(first, second - first), frames);
      feed(framer, stream.substr(second), frames);
      ASSERT_EQ(frames, whole) << "cut at " << first << " and " << second;
    }
  }
}

TEST(JsonFramer, answers_stray_garbage_with_one_error_and_goes_on_at_the_next_object) {
  for (const std::string garbage :
       {"@", "HELLO world: }}], ", "{\"a\": \x7F \"b\": 1}", "\xFF\xFF\xFF", "\x01\n\x02", "]]]]",
        "\xC3\xA9\xC3\xA9", "{\"a\": \"\x01\"}"}) {
    const Frames frames = frames_of(garbage + R"({"good": 1})");
    EXPECT_EQ(frames.errors.size(), 1u) << garbage;
    EXPECT_EQ(frames.values, (Texts{R"({"good": 1})"})) << garbage;
  }
}

TEST(JsonFramer, lets_a_client_get_out_of_an_open_string_with_a_line_feed) {
  const Frames frames = frames_of("{\"execute\": \"qu\n{\"execute\": \"quit\"}");
  EXPECT_EQ(frames.errors, (Texts{"JSON parse error, stray 0x0a"}));
  EXPECT_EQ(frames.values, (Texts{"{\"execute\": \"quit\"}"}));
}

TEST(JsonFramer, refuses_a_nul_wherever_it_stands) {
  using std::string_literals::operator""s;
  for (const std::string& text : {"\0"s, "{\0}"s, "{\"\0\": 1}"s, "1\0"s}) {
    EXPECT_EQ(frames_of(text).errors, (Texts{"JSON parse error, stray 0x00"})) << text.size();
  }
}

TEST(JsonFramer, refuses_brackets_that_do_not_match) {
  EXPECT_EQ(frames_of("{]").errors, (Texts{"JSON parse error, stray ']'"}));
  EXPECT_EQ(frames_of("[{]}").errors, (Texts{"JSON parse error, stray ']'"}));
}

TEST(JsonFramer, allows_exactly_the_greatest_depth) {
  const std::string deepest =
      std::string(qapi::max_json_depth, '[') + std::string(qapi::max_json_depth, ']');
  EXPECT_EQ(frames_of(deepest).values, (Texts{deepest}));
  EXPECT_EQ(frames_of('[' + deepest + "]\n").errors.front(),
            "JSON parse error, more than 1024 levels of nesting");
}

TEST(JsonFramer, survives_a_million_openings_and_goes_on) {
  JsonFramer framer;
  Frames frames;
  feed(framer, std::string(1000000, '['), frames);
  EXPECT_EQ(frames.errors.size(), 1000000u / (qapi::max_json_depth + 1));
  EXPECT_TRUE(frames.values.empty());
  frames = {};
  feed(framer, "\xFF{}", frames);
  EXPECT_EQ(frames.values, (Texts{"{}"}));
}

TEST(JsonFramer, allows_exactly_the_greatest_size) {
  const std::string largest = '"' + std::string(qapi::max_json_bytes - 2, 'x') + '"';
  EXPECT_EQ(frames_of(largest).values, (Texts{largest}));
  const std::string larger = '"' + std::string(qapi::max_json_bytes - 1, 'x') + '"';
  EXPECT_EQ(frames_of(larger).errors,
            (Texts{"JSON parse error, a value of more than 1048576 bytes"}));
}

TEST(JsonFramer, counts_the_bytes_after_the_conversion_of_quotes) {
  // Each double quote becomes two bytes.
  const Frames frames = frames_of('\'' + std::string(qapi::max_json_bytes / 2 + 10, '"') + "'\n{}");
  EXPECT_EQ(frames.errors.size(), 1u);
  EXPECT_EQ(frames.values, (Texts{"{}"}));
}

TEST(JsonFramer, answers_two_mebibytes_with_one_error_and_goes_on) {
  const Frames frames =
      frames_of("{\"a\": \"" + std::string(2 * qapi::max_json_bytes, 'x') + "\"}\n{}");
  EXPECT_EQ(frames.errors.size(), 1u);
  EXPECT_EQ(frames.values, (Texts{"{}"}));
}

TEST(JsonFramer, completes_a_number_at_the_end_of_a_text) {
  JsonFramer framer;
  std::string_view text = "12";
  EXPECT_FALSE(framer.next(text));
  EXPECT_EQ(framer.finish()->text, "12");
  EXPECT_FALSE(framer.finish());
}

TEST(JsonFramer, reports_a_value_that_is_cut_off_at_the_end_of_a_text) {
  for (std::string_view text : {"{", "[1", "\"a", "'a\\"}) {
    JsonFramer framer;
    EXPECT_FALSE(framer.next(text));
    EXPECT_EQ(framer.finish()->error, "JSON parse error, the value is cut off");
  }
}

} // namespace
