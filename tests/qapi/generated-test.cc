// What the generator makes of a schema with one of everything: types, JSON both ways, dispatch.
#include "qapi/json/parser.h"
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

// The smallest arguments of echo-everything with another value for one member.
std::string with(const std::string& name, const std::string& value) {
  const std::map<std::string, std::string> members = {{"text", R"("t")"},
                                                      {"flag", "true"},
                                                      {"signed", "-1"},
                                                      {"unsigned-number", "1"},
                                                      {"fraction", "0.5"}};
  std::string text = "{\"" + name + "\": " + value;
  for (const auto& [member, usual] : members)
    if (member != name) text += ", \"" + member + "\": " + usual;
  return text + "}";
}

TEST_F(Generated, names_the_type_it_expects) {
  const struct {
    const char *name, *value, *error;
  } cases[] = {
      {"text", "1", "Invalid parameter type for 'text', expected: string"},
      {"flag", "\"on\"", "Invalid parameter type for 'flag', expected: boolean"},
      {"signed", "1.5", "Invalid parameter type for 'signed', expected: integer"},
      {"signed", "null", "Invalid parameter type for 'signed', expected: integer"},
      {"fraction", "\"1\"", "Invalid parameter type for 'fraction', expected: number"},
      {"numbers", "{}", "Invalid parameter type for 'numbers', expected: array"},
      {"numbers", "[1, \"2\"]", "Invalid parameter type for 'numbers[1]', expected: integer"},
      {"inside", "[]", "Invalid parameter type for 'inside', expected: object"},
      {"color", "1", "Invalid parameter type for 'color', expected: string"},
      {"color", "\"pink\"", "Parameter 'color' does not accept value 'pink'"},
  };
  for (const auto& [name, value, error] : cases)
    EXPECT_EQ(run("echo-everything", with(name, value)), error);
  EXPECT_EQ(run("echo-everything", "[]"),
            "Invalid parameter type for 'arguments', expected: object");
}

TEST_F(Generated, refuses_integers_outside_the_range_of_their_type) {
  EXPECT_EQ(run("echo-everything", with("unsigned-number", "-1")),
            "Parameter 'unsigned-number' expects an integer from 0 to 18446744073709551615");
  EXPECT_EQ(run("echo-everything", with("signed", "9223372036854775808")),
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

TEST_F(Generated, answers_introspection_with_the_text_the_generator_made) {
  const std::string schema = run("query-qmp-schema");
  EXPECT_EQ(schema.rfind(R"([{"name": "echo-everything", "meta-type": "command", )", 0), 0u);
  EXPECT_TRUE(qapi::parse_json(schema));
}

} // namespace
