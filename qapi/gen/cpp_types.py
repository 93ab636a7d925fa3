"""Writes types.h: the types of the schema as plain C++, without JSON."""

from cpp_text import comment, header
from model import BUILTINS
from names import cpp_name


def cpp_type(reference):
    """Returns the C++ type of a value that is not optional."""
    plain = BUILTINS[reference.name].cpp if reference.name in BUILTINS else reference.name
    return f"std::vector<{plain}>" if reference.is_list else plain


def member_type(member):
    if member.boxed:
        return f"std::shared_ptr<{cpp_type(member.type)}>"
    if member.optional:
        return f"std::optional<{cpp_type(member.type)}>"
    return cpp_type(member.type)


def types_header(schema, namespace):
    parts = ["\n".join(f"struct {name};" for name in used_before_defined(schema))]
    for definition in ordered(schema):
        parts.append(WRITERS[definition.kind](schema, definition))
    return header(
        "Types of the schema. Generated.", namespace, "TYPES",
        ['"block/info.h"', '"block/options.h"', "<cstdint>", "<memory>", "<optional>", "<string>", "<variant>",
         "<vector>"], parts)


def used_before_defined(schema):
    """Returns the structs that others hold by pointer or in lists. They may be defined in any order."""
    structs = {d.name for d in schema.of_kind("struct", "union")}
    held = {m.type.name for d in schema.of_kind("struct", "union") for m in d.members if m.boxed or m.type.is_list}
    return sorted(structs & held)


def ordered(schema):
    """Returns the types, each after those that it holds by value."""
    done, result = set(), []

    def visit(definition):
        if definition.name in done:
            return
        done.add(definition.name)
        held = [] if definition.kind == "enum" else [
            m.type for m in definition.members if not m.boxed and not m.type.is_list]
        names = [t.name for t in held] + [b.type for b in definition.branches]
        names += [a.type.name for a in definition.alternatives if not a.type.is_list]
        for name in names:
            if name in schema.by_name:
                visit(schema.by_name[name])
        result.append(definition)

    for kinds in (("enum",), ("options", "struct", "union", "alternate")):
        for definition in schema.of_kind(*kinds):
            visit(definition)
    return result


def write_enum(_schema, enum):
    lines = [comment(enum.doc), f"enum class {enum.name} {{"]
    for value in enum.members:
        lines += [comment(value.doc, "  "), f"  {cpp_name(value.name)},"]
    return "\n".join([*lines, "};", f"const char* name_of({enum.name} value);"])


def write_members(members):
    lines = []
    for member in members:
        lines += [comment(member.doc, "  "), f"  {member_type(member)} {cpp_name(member.name)}{{}};"]
    return lines


def write_struct(_schema, struct):
    return "\n".join([comment(struct.doc), f"struct {struct.name} {{", *write_members(struct.members), "};"])


def write_union(schema, union):
    tag = schema.discriminator(union)
    common = [m for m in union.members if m is not tag]
    branches = ", ".join(b.type for b in union.branches)
    return "\n".join([
        comment(union.doc), f"struct {union.name} {{", *write_members(common),
        comment(tag.doc, "  "),
        f"  {tag.type.name} {cpp_name(tag.name)}() const {{ return static_cast<{tag.type.name}>(u.index()); }}",
        f"  // One alternative for each value of {tag.type.name}, in their order.",
        f"  std::variant<{branches}> u;", "};"])


def write_alternate(_schema, alternate):
    types = ", ".join(cpp_type(a.type) for a in alternate.alternatives)
    return "\n".join([comment(alternate.doc), f"struct {alternate.name} {{", f"  std::variant<{types}> u;", "};"])


def write_options(_schema, options):
    return "\n".join([comment(options.doc), f"using {options.name} = block::Options;"])


WRITERS = {"enum": write_enum, "struct": write_struct, "union": write_union, "alternate": write_alternate,
           "options": write_options}
