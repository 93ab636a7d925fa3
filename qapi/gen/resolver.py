"""Checks the references between definitions, and completes them: names, unions, arguments, recursion."""

from errors import SchemaError
from model import BUILTINS, Definition, Schema
from names import camel, cpp_name
from usage import check_usage

JSON_KINDS = {"str": "string", "bool": "boolean", "int": "number", "uint64": "number", "number": "number",
              "enum": "string", "struct": "object", "union": "object", "options": "object", "facts": "object"}


def resolve(sections):
    """Returns the checked Schema. Arguments of commands and data of events become structs of their own."""
    for section in sections:
        section.definitions = [d for item in section.definitions for d in with_own_struct(item)]
    check_names(sections)
    schema = Schema(sections)
    for definition in schema.definitions:
        check_references(schema, definition)
    for union in schema.of_kind("union"):
        check_union(schema, union)
    for alternate in schema.of_kind("alternate"):
        check_alternate(schema, alternate)
    for command in schema.of_kind("command"):
        check_command(schema, command)
    for definition in schema.of_kind("struct", "union"):
        box_recursion(schema, definition)
    schema.own_structs = {d.arguments for d in schema.of_kind("command", "event") if d.members}
    check_usage(schema)
    return schema


def with_own_struct(definition):
    """Returns the definition. A command or an event with members is preceded by a struct of these members."""
    if definition.kind not in ("command", "event"):
        return [definition]
    if definition.kind == "command" and not definition.members:
        return [definition]
    suffix, purpose = ("Arguments", "Arguments of the command") if definition.kind == "command" else (
        "Event", "Data of the event")
    struct = Definition(file=definition.file, kind="struct", name=camel(definition.name) + suffix,
                        doc=f"{purpose} {definition.name}.", members=definition.members)
    definition.arguments = struct.name
    return [struct, definition]


def check_names(sections):
    places = {name: "built-in types" for name in BUILTINS}
    identifiers = {}
    for definition in (d for s in sections for d in s.definitions):
        for name in [definition.name, *definition.aliases]:
            if name in places:
                raise SchemaError(f"{definition.file}: {name}", f"is already defined in {places[name]}")
            places[name] = definition.file
        if definition.kind == "command":
            identifier = cpp_name(definition.name)
            if identifier in identifiers:
                raise SchemaError(definition.where, f"has the same C++ name as {identifiers[identifier]}")
            identifiers[identifier] = definition.name
        members = {}
        for member in definition.members:
            if cpp_name(member.name) in members:
                raise SchemaError(definition.where, f"'{member.name}' has the same C++ name as "
                                                    f"'{members[cpp_name(member.name)]}'")
            members[cpp_name(member.name)] = member.name


def check_references(schema, definition):
    references = []
    if definition.kind != "enum":
        references += [(f"member '{m.name}'", m.type.name) for m in definition.members]
    references += [("a branch", b.type) for b in definition.branches]
    references += [("an alternative", a.type.name) for a in definition.alternatives]
    if definition.arguments:
        references.append(("'arguments'", definition.arguments))
    if definition.returns:
        references.append(("'returns'", definition.returns.name))
    for user, name in references:
        if name in BUILTINS:
            continue
        target = schema.by_name.get(name)
        if target is None or target.kind in ("command", "event"):
            raise SchemaError(definition.where, f"{user} uses the unknown type '{name}'")


def check_union(schema, union):
    tag = next((m for m in union.members if m.name == union.discriminator), None)
    if tag is None:
        raise SchemaError(union.where, f"discriminator '{union.discriminator}' is not one of its members")
    enum = schema.by_name.get(tag.type.name)
    if tag.type.is_list or tag.optional or enum is None or enum.kind != "enum":
        raise SchemaError(union.where, f"discriminator '{tag.name}' is not a mandatory enum")
    if [b.value for b in union.branches] != [v.name for v in enum.members]:
        raise SchemaError(union.where, f"its branches are not the values of {enum.name}, in their order")
    common = {m.name for m in union.members}
    for branch in union.branches:
        struct = schema.by_name.get(branch.type)
        if struct is None or struct.kind != "struct":
            raise SchemaError(union.where, f"branch '{branch.value}' is not a struct")
        for member in struct.members:
            if member.name in common:
                raise SchemaError(union.where, f"member '{member.name}' of branch '{branch.value}' stands twice")
    types = [b.type for b in union.branches]
    for name in types:
        if types.count(name) > 1:
            raise SchemaError(union.where, f"two branches are of type '{name}'")


def check_alternate(schema, alternate):
    kinds = []
    for alternative in alternate.alternatives:
        name = alternative.type.name
        key = name if name in BUILTINS else schema.by_name[name].kind
        if not alternative.type.is_list and key not in JSON_KINDS:
            raise SchemaError(alternate.where, f"'{name}' cannot be an alternative")
        alternative.json_kind = "array" if alternative.type.is_list else JSON_KINDS[key]
        kinds.append(alternative.json_kind)
    for kind in kinds:
        if kinds.count(kind) > 1:
            raise SchemaError(alternate.where, f"two alternatives are both a JSON {kind}")
    if len(kinds) < 2:
        raise SchemaError(alternate.where, "has fewer than two alternatives")


def check_command(schema, command):
    if command.arguments:
        arguments = schema.by_name.get(command.arguments)
        if arguments is None or arguments.kind not in ("struct", "union", "options"):
            raise SchemaError(command.where, f"arguments '{command.arguments}' are not an object type")
    expected = {"command-list": "[CommandInfo]", "introspection": "[SchemaInfo]"}.get(command.answered_by)
    if expected and str(command.returns) != expected:
        raise SchemaError(command.where, f"must return {expected}")


def box_recursion(schema, definition):
    """Makes members whose type contains the struct itself pointers. Such members must be optional."""
    for member in definition.members:
        if not member.type.is_list and definition.name in held_by_value(schema, member.type.name, set()):
            if not member.optional:
                raise SchemaError(definition.where, f"member '{member.name}' makes the type contain itself")
            member.boxed = True


def held_by_value(schema, name, seen):
    """Returns the names of all types that a value of the named type holds by value, including the type itself."""
    if name in BUILTINS or name in seen:
        return seen
    seen.add(name)
    definition = schema.by_name[name]
    if definition.kind in ("struct", "union"):
        for member in definition.members:
            if not member.type.is_list and not member.boxed:
                held_by_value(schema, member.type.name, seen)
    for branch in definition.branches:
        held_by_value(schema, branch.type, seen)
    for alternative in definition.alternatives:
        if not alternative.type.is_list:
            held_by_value(schema, alternative.type.name, seen)
    return seen
