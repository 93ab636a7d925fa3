"""Writes marshal.h and marshal.cc, which convert JSON to types and back."""

from cpp_text import header, literal, source
from cpp_types import cpp_type
from names import cpp_name


def marshal_header(schema, namespace):
    parts = ["// From JSON. Errors name the parameter, in the words QMP users know."]
    parts += [f"block::Result<void> read(const qapi::Input& input, {d.name}& value);" for d in readable(schema)]
    parts.append("// Sets `value` to the value of that name. Returns false if there is none.")
    parts += [f"bool find_value(std::string_view name, {d.name}& value);" for d in schema.of_kind("enum")]
    parts.append("// To JSON, members in the schema's order.")
    parts += [f"nlohmann::ordered_json to_json({argument(d)});" for d in writable(schema)]
    parts.append("// To options; members that are absent are left out.")
    parts += [f"block::Result<block::Options> to_options({argument(d)});" for d in command_line(schema)]
    parts.append("// Results of commands as JSON text.")
    parts += [f"std::string to_text(const {returned}& value);" for returned in returned_types(schema)]
    parts.append("// Events ready to be sent.")
    parts += [f"qapi::Event event_of(const {e.arguments}& data);" for e in schema.of_kind("event")]
    return header("JSON to and from the types of the schema. Generated.", namespace, "MARSHAL",
                  [f'"{namespace}/types.h"', '"qapi/dispatcher.h"', '"qapi/input.h"', "<nlohmann/json_fwd.hpp>"],
                  parts)


def marshal_source(schema, namespace):
    parts = [named(d) for d in schema.of_kind("enum") for named in (name_of, find_value)]
    parts += [READERS[d.kind](schema, d) for d in readable(schema)]
    parts += [WRITERS[d.kind](schema, d) for d in writable(schema)]
    parts += [f"block::Result<block::Options> to_options({argument(d)}) {{\n  return qapi::options_of(to_json(value));\n}}"
              for d in command_line(schema)]
    parts += [f"std::string to_text(const {returned}& value) {{ return qapi::json_text(to_json(value)); }}"
              for returned in returned_types(schema)]
    parts += [f"qapi::Event event_of(const {e.arguments}& data) {{\n"
              f"  return {{{literal(e.name)}, qapi::json_text(to_json(data))}};\n}}" for e in schema.of_kind("event")]
    return source("JSON to and from the types of the schema. Generated.", namespace,
                  [f'"{namespace}/marshal.h"', '"qapi/command-line.h"', '"qapi/json/writer.h"', '"qapi/output.h"'],
                  # to_json of the built-in types and lists is found by name, not by argument.
                  ["using qapi::put;\nusing qapi::read;\nusing qapi::to_json;"] * (namespace != "qapi") + parts)


def readable(schema):
    """The types that clients or command lines send. Options have a read() of their own."""
    return [d for d in schema.definitions if d.name in schema.inputs and d.kind != "options"]


def writable(schema):
    return [d for d in schema.definitions if d.name in schema.outputs]


def command_line(schema):
    return [d for d in schema.of_kind("struct", "union") if d.command_line]


def returned_types(schema):
    types = [cpp_type(c.returns) for c in schema.of_kind("command") if c.returns and c.answered_by == "handler"]
    return list(dict.fromkeys(types))


def argument(definition):
    return f"{definition.name} value" if definition.kind == "enum" else f"const {definition.name}& value"


def name_of(enum):
    cases = "".join(f"  case {enum.name}::{cpp_name(v.name)}: return {literal(v.name)};\n" for v in enum.members)
    return (f"const char* name_of({enum.name} value) {{\n  switch (value) {{\n{cases}  }}\n"
            f"  return {literal(enum.members[0].name)};\n}}")


def find_value(enum):
    cases = "".join(f"  if (name == {literal(v.name)}) return value = {enum.name}::{cpp_name(v.name)}, true;\n"
                    for v in enum.members)
    return f"bool find_value(std::string_view name, {enum.name}& value) {{\n{cases}  return false;\n}}"


def read_function(definition, lines):
    body = "".join(f"  {line}\n" for line in lines)
    return f"block::Result<void> read(const qapi::Input& input, {definition.name}& value) {{\n{body}}}"


def read_enum(_schema, enum):
    return read_function(enum, ["std::string name;", "BLOCK_TRY(read(input, name));",
                                "if (!find_value(name, value)) return input.wrong_value(name);", "return {};"])


def read_members(members, target):
    return [f"BLOCK_TRY(object.{'optional' if m.optional else 'required'}({literal(m.name)}, "
            f"{target}.{cpp_name(m.name)}));" for m in members]


OPEN = "BLOCK_TRY_ASSIGN(auto object, qapi::ObjectInput::open(input));"


def read_struct(_schema, struct):
    return read_function(struct, [OPEN, *read_members(struct.members, "value"), "return object.finish();"])


def read_union(schema, union):
    tag = schema.discriminator(union)
    lines = [OPEN, f"{tag.type.name} tag{{}};", f"BLOCK_TRY(object.required({literal(tag.name)}, tag));"]
    lines += read_members([m for m in union.members if m is not tag], "value")
    lines.append("switch (tag) {")
    for branch in union.branches:
        members = schema.by_name[branch.type].members
        lines.append(f"case {tag.type.name}::{cpp_name(branch.value)}: {{")
        lines.append(f"  {'auto& branch = ' if members else ''}value.u.emplace<{branch.type}>();")
        lines += [f"  {line}" for line in read_members(members, "branch")]
        lines += ["  break;", "}"]
    return read_function(union, [*lines, "}", "return object.finish();"])


def read_alternate(_schema, alternate):
    lines = ["switch (input.kind()) {"]
    for number, alternative in enumerate(alternate.alternatives):
        lines += [f"case qapi::JsonKind::{alternative.json_kind}:",
                  f"  return read(input, value.u.emplace<{number}>());"]
    expected = " or ".join(a.json_kind for a in alternate.alternatives)
    return read_function(alternate, [*lines, "default:", f"  return input.wrong_type({literal(expected)});", "}"])


def write_function(definition, lines):
    body = "".join(f"  {line}\n" for line in lines)
    return f"nlohmann::ordered_json to_json({argument(definition)}) {{\n{body}}}"


def write_enum(_schema, enum):
    return write_function(enum, ["return name_of(value);"])


def put_members(members, target):
    return [f"put(object, {literal(m.name)}, {target}.{cpp_name(m.name)});" for m in members]


OBJECT = "auto object = nlohmann::ordered_json::object();"


def write_struct(_schema, struct):
    unused = ["static_cast<void>(value);"] if not struct.members else []
    return write_function(struct, [OBJECT, *unused, *put_members(struct.members, "value"), "return object;"])


def write_union(schema, union):
    lines = [OBJECT]
    for member in union.members:
        call = "()" if member is schema.discriminator(union) else ""
        lines.append(f"put(object, {literal(member.name)}, value.{cpp_name(member.name)}{call});")
    for branch in union.branches:
        members = schema.by_name[branch.type].members
        if members:
            lines.append(f"if (const auto* branch = std::get_if<{branch.type}>(&value.u)) {{")
            lines += [f"  {line}" for line in put_members(members, "(*branch)")] + ["}"]
    return write_function(union, [*lines, "return object;"])


def write_alternate(_schema, alternate):
    return write_function(alternate, ["return std::visit([](const auto& held) { return to_json(held); }, value.u);"])


READERS = {"enum": read_enum, "struct": read_struct, "union": read_union, "alternate": read_alternate}
WRITERS = {"enum": write_enum, "struct": write_struct, "union": write_union, "alternate": write_alternate}
