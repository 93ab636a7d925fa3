// json: names from the command line.
#include "block/tools/common/json-name.h"

#include <gtest/gtest.h>

namespace tools {
namespace {

using Entries = std::map<std::string, std::string>;

TEST(JsonName, NestedObjectsBecomeDottedKeys) {
  auto options = parse_json_name(
      R"(json:{"driver": "qcow2", "file": {"driver": "file", "filename": "a,b"}, "list": ["x", 7]})");
  ASSERT_TRUE(options.ok());
  EXPECT_EQ(options->entries(), (Entries{{"driver", "qcow2"},
                                         {"file.driver", "file"},
                                         {"file.filename", "a,b"},
                                         {"list.0", "x"},
                                         {"list.1", "7"}}));
}

TEST(JsonName, BooleansAreOnAndOffAndNullIsEmpty) {
  auto options = parse_json_name(R"(json:{"read-only": true, "a": false, "backing": null})");
  ASSERT_TRUE(options.ok());
  EXPECT_EQ(options->entries(), (Entries{{"read-only", "on"}, {"a", "off"}, {"backing", ""}}));
}

TEST(JsonName, StringsMayStandInSingleQuotes) {
  auto options = parse_json_name(R"(json:{'file.filename': 'a"b\'c', "x": "it's"})");
  ASSERT_TRUE(options.ok());
  EXPECT_EQ(options->entries(), (Entries{{"file.filename", "a\"b'c"}, {"x", "it's"}}));
}

TEST(JsonName, WhatIsNoObjectIsRefused) {
  for (const char* bad : {"json:", "json:[]", "json:7", "json:{", "json:{'a':}", "json:{} x"})
    EXPECT_FALSE(parse_json_name(bad).ok()) << bad;
}

TEST(JsonName, DeepAndLongNamesAreRefused) {
  std::string deep = "json:";
  for (int i = 0; i < 1000; ++i)
    deep += R"({"a":)";
  deep += "1" + std::string(1000, '}');
  EXPECT_FALSE(parse_json_name(deep).ok());
  EXPECT_FALSE(parse_json_name("json:{\"a\":\"" + std::string(100000, 'x') + "\"}").ok());
}

} // namespace
} // namespace tools
