// What the generator makes of a schema with one of everything: types, JSON both ways, dispatch,
// introspection.
#include "qapi/json/parser.h"
#include "qapi/json/writer.h"
#include "qapi_test/dispatch.h"
#include "qapi_test/marshal.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace qapi_test {

class Context {
public:
  int calls = 0;
};

block::Result<Everything> qmp_echo_everything(Context& context, Everything arguments) {
  ++context.calls;
  return arguments;
}

block::Result<std::vector<Shape>> qmp_echo_shapes(Context&, EchoShapesArguments arguments) {
  return arguments.shapes;
}

block::Result<Label> qmp_echo_label(Context&, EchoLabelArguments arguments) {
  return arguments.label;
}

block::Result<std::vector<std::string>> qmp_list_options(Context&, FreeOptions arguments) {
  std::vector<std::string> list;
  for (const auto& [key, value] : arguments.entries())
    list.push_back(key + '=' + value);
  return list;
}

block::Result<Facts> qmp_get_facts(Context&) {
  return Facts{{{"lazy", {true}},
                {"bits", {std::uint64_t{16}}},
                {"inner", {block::InfoFields{{"name", {std::string("\xFFx")}}}}}}};
}

block::Result<void> qmp_fail(Context&) {
  return block::Error(block::ErrorKind::busy, "always busy");
}

} // namespace qapi_test

namespace {

class Generated : public testing::Test {
protected:
  // The reply's text, or the error's message.
  std::string run(std::string_view command, std::string_view arguments = "{}") {
    const auto json = qapi::parse_json(arguments);
    if (!json) return json.error().message();
    const auto result = table.run(command, *json);
    return result ? *result : result.error().message();
  }

  qapi_test::Context context;
  qapi_test::CommandTable table{context};
};

const std::string smallest =
    R"("text": "t", "flag": true, "signed": -1, "unsigned-number": 18446744073709551615, "fraction": 0.5)";

TEST_F(Generated, gives_every_member_back_as_it_came) {
  for (const std::string& text :
       {"{" + smallest + "}",
        "{" + smallest + R"(, "color": "dark-blue", "numbers": [1, -2], "inside": {)" + smallest +
            R"(, "color": "default"}, "list": [{)" + smallest + "}, {" + smallest + "}]}"})
    EXPECT_EQ(run("echo-everything", text), text);
}

TEST_F(Generated, runs_a_command_under_its_alias) {
  EXPECT_TRUE(table.knows("echo_everything"));
  EXPECT_EQ(run("echo_everything", "{" + smallest + "}"), "{" + smallest + "}");
  EXPECT_FALSE(table.knows("echo"));
}

TEST_F(Generated, names_the_path_of_a_member_that_is_missing) {
  EXPECT_EQ(run("echo-everything"), "Parameter 'text' is missing");
  EXPECT_EQ(run("echo-everything", "{" + smallest + R"(, "inside": {"text": "t"}})"),
            "Parameter 'inside.flag' is missing");
  EXPECT_EQ(run("echo-everything", "{" + smallest + R"(, "list": [{)" + smallest + R"(}, {}]})"),
            "Parameter 'list[1].text' is missing");
  EXPECT_EQ(context.calls, 0);
}

TEST_F(Generated, refuses_a_member_that_nobody_knows) {
  EXPECT_EQ(run("echo-everything", "{" + smallest + R"(, "more": 1})"),
            "Parameter 'more' is unexpected");
  EXPECT_EQ(run("echo-everything", "{" + smallest + R"(, "inside": {)" + smallest + R"(, "": 1}})"),
            "Parameter 'inside.' is unexpected");
  EXPECT_EQ(run("get-facts", R"({"x": 1})"), "Parameter 'x' is unexpected");
}

TEST_F(Generated, names_the_type_it_expects) {
  const auto with = [&](const std::string& name, const std::string& value) {
    auto json = nlohmann::json::parse("{" + smallest + "}");
    json[name] = nlohmann::json::parse(value);
    return run("echo-everything", json.dump());
  };
  EXPECT_EQ(with("text", "1"), "Invalid parameter type for 'text', expected: string");
  EXPECT_EQ(with("flag", "\"on\""), "Invalid parameter type for 'flag', expected: boolean");
  EXPECT_EQ(with("signed", "1.5"), "Invalid parameter type for 'signed', expected: integer");
  EXPECT_EQ(with("signed", "null"), "Invalid parameter type for 'signed', expected: integer");
  EXPECT_EQ(with("fraction", "\"1\""), "Invalid parameter type for 'fraction', expected: number");
  EXPECT_EQ(with("numbers", "{}"), "Invalid parameter type for 'numbers', expected: array");
  EXPECT_EQ(with("numbers", "[1, \"2\"]"),
            "Invalid parameter type for 'numbers[1]', expected: integer");
  EXPECT_EQ(with("inside", "[]"), "Invalid parameter type for 'inside', expected: object");
  EXPECT_EQ(with("color", "1"), "Invalid parameter type for 'color', expected: string");
  EXPECT_EQ(with("color", "\"pink\""), "Parameter 'color' does not accept value 'pink'");
  EXPECT_EQ(run("echo-everything", "[]"),
            "Invalid parameter type for 'arguments', expected: object");
}

TEST_F(Generated, refuses_integers_outside_the_range_of_their_type) {
  const auto with = [&](const std::string& name, const std::string& value) {
    auto json = nlohmann::json::parse("{" + smallest + "}");
    json[name] = nlohmann::json::parse(value);
    return run("echo-everything", json.dump());
  };
  EXPECT_EQ(with("unsigned-number", "-1"), "Parameter 'unsigned-number' expects an integer from 0 "
                                           "to 18446744073709551615");
  EXPECT_EQ(with("signed", "9223372036854775808"),
            "Parameter 'signed' expects an integer from -9223372036854775808 to "
            "9223372036854775807");
}

TEST_F(Generated, reads_the_members_of_the_branch_that_the_discriminator_names) {
  const std::string shapes =
      R"([{"name": "c", "kind": "circle", "fill": {"color": "red", "solid": false}, "radius": 3}, {"kind": "point"}])";
  EXPECT_EQ(run("echo-shapes", R"({"shapes": )" + shapes + "}"), shapes);
  EXPECT_EQ(run("echo-shapes", R"({"shapes": [{"kind": "circle"}]})"),
            "Parameter 'shapes[0].radius' is missing");
  EXPECT_EQ(run("echo-shapes", R"({"shapes": [{"kind": "point", "radius": 1}]})"),
            "Parameter 'shapes[0].radius' is unexpected");
  EXPECT_EQ(run("echo-shapes", R"({"shapes": [{"radius": 1}]})"),
            "Parameter 'shapes[0].kind' is missing");
  EXPECT_EQ(run("echo-shapes", R"({"shapes": [{"kind": "cube"}]})"),
            "Parameter 'shapes[0].kind' does not accept value 'cube'");
}

TEST_F(Generated, takes_the_alternative_that_fits_the_kind_of_value) {
  for (const std::string label : {"\"x\"", "-7", R"(["a", "b"])", R"({"color": "red"})"})
    EXPECT_EQ(run("echo-label", R"({"label": )" + label + "}"), label);
  EXPECT_EQ(run("echo-label", R"({"label": true})"),
            "Invalid parameter type for 'label', expected: string or number or array or object");
  EXPECT_EQ(run("echo-label", R"({"label": {"colour": "red"}})"),
            "Parameter 'label.color' is missing");
}

TEST_F(Generated, hands_free_form_arguments_over_as_options) {
  EXPECT_EQ(run("list-options", R"({"driver": "qcow2", "file": {"filename": "x"}, "a.b": 1})"),
            R"(["a.b=1", "driver=qcow2", "file.filename=x"])");
}

TEST_F(Generated, writes_facts_in_their_order) {
  EXPECT_EQ(run("get-facts"),
            R"({"data": {"lazy": true, "bits": 16, "inner": {"name": "\ufffdx"}}})");
}

TEST_F(Generated, passes_the_handlers_error_on) {
  EXPECT_EQ(run("fail"), "always busy");
}

TEST_F(Generated, lists_commands_and_aliases_in_order) {
  EXPECT_EQ(
      run("query-commands"),
      R"([{"name": "echo-everything"}, {"name": "echo-label"}, {"name": "echo-shapes"}, )"
      R"({"name": "echo_everything"}, {"name": "fail"}, {"name": "get-facts"}, )"
      R"({"name": "list-options"}, {"name": "query-commands"}, {"name": "query-qmp-schema"}])");
}

TEST_F(Generated, makes_events_with_and_without_data) {
  const qapi::Event changed = event_of(qapi_test::ColorChangedEvent{qapi_test::Color::dark_blue});
  EXPECT_EQ(changed.name, "COLOR_CHANGED");
  EXPECT_EQ(changed.data, R"({"color": "dark-blue"})");
  EXPECT_EQ(event_of(qapi_test::NothingHappenedEvent{}).data, "{}");
}

class Introspection : public Generated {
protected:
  void SetUp() override {
    const auto schema = qapi::parse_json(run("query-qmp-schema"));
    ASSERT_TRUE(schema);
    for (const auto& entry : *schema) {
      EXPECT_FALSE(entries.contains(entry["name"])) << entry;
      entries[entry["name"]] = entry;
    }
  }
  // The type that a command, event, member or variant names.
  nlohmann::json type(const nlohmann::json& holder, const char* key = "type") {
    return entries.at(holder.at(key).get<std::string>());
  }
  static nlohmann::json member(const nlohmann::json& object, const std::string& name) {
    for (const auto& entry : object.at("members"))
      if (entry["name"] == name) return entry;
    return nullptr;
  }

  std::map<std::string, nlohmann::json> entries;
};

TEST_F(Introspection, describes_every_type_that_is_named) {
  for (const auto& [name, entry] : entries) {
    for (const char* key : {"arg-type", "ret-type", "element-type"})
      if (entry.contains(key)) {
        EXPECT_TRUE(entries.contains(entry[key])) << entry;
      }
    for (const char* key : {"members", "variants"})
      for (const auto& item : entry.value(key, nlohmann::json::array()))
        if (item.contains("type")) {
          EXPECT_TRUE(entries.contains(item["type"])) << entry;
        }
  }
}

TEST_F(Introspection, marks_optional_members_with_a_default_of_null) {
  const auto arguments = type(entries.at("echo-everything"), "arg-type");
  EXPECT_EQ(arguments["meta-type"], "object");
  EXPECT_FALSE(member(arguments, "text").contains("default"));
  EXPECT_EQ(member(arguments, "color").at("default"), nullptr);
  EXPECT_EQ(type(member(arguments, "unsigned-number")),
            (nlohmann::json{{"name", "int"}, {"meta-type", "builtin"}, {"json-type", "int"}}));
  EXPECT_EQ(type(member(arguments, "inside")), arguments);
  EXPECT_EQ(type(type(member(arguments, "list")), "element-type"), arguments);
}

TEST_F(Introspection, describes_enums_unions_and_alternates) {
  const auto shape = type(type(entries.at("echo-shapes"), "ret-type"), "element-type");
  EXPECT_EQ(shape["tag"], "kind");
  EXPECT_EQ(type(member(shape, "kind"))["values"], (nlohmann::json{"circle", "point"}));
  EXPECT_EQ(shape["variants"][0]["case"], "circle");
  EXPECT_EQ(type(shape["variants"][0])["members"][0]["name"], "radius");
  const auto label = type(entries.at("echo-label"), "ret-type");
  EXPECT_EQ(label["meta-type"], "alternate");
  EXPECT_EQ(label["members"].size(), 4u);
}

TEST_F(Introspection, gives_commands_without_arguments_and_results_the_empty_object) {
  const auto empty = type(entries.at("fail"), "arg-type");
  EXPECT_EQ(empty["meta-type"], "object");
  EXPECT_TRUE(empty["members"].empty());
  EXPECT_EQ(type(entries.at("fail"), "ret-type"), empty);
}

} // namespace
