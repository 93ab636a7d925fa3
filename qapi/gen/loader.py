"""Reads schema files, and refuses a schema that is incomplete or not documented.

A file is a JSON object: "title", "doc" and "definitions". docs/developer/qapi.md describes the form. This module
checks each definition by itself; resolver.py checks the references between definitions.
"""

import json
import pathlib
import re

from errors import SchemaError
from member_list import listed_members
from model import Alternative, Branch, Definition, EnumValue, Member, Section, TypeReference

TYPE_NAME = re.compile(r"[A-Z][A-Za-z0-9]*")
WORD = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")
EVENT_NAME = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*")
TYPE_REFERENCE = re.compile(r"\[(?P<element>[A-Za-z0-9]+)\]|(?P<plain>[A-Za-z0-9]+)")
ANSWERED_BY = ("handler", "session", "command-list", "introspection")

# For each kind: its name pattern, then the keys it must and may have besides kind, name and doc.
KINDS = {
    "struct": (TYPE_NAME, {"members"}, {"command-line"}),
    "options": (TYPE_NAME, {"members"}, set()),
    "enum": (TYPE_NAME, {"values"}, set()),
    "union": (TYPE_NAME, {"members", "discriminator", "branches"}, {"command-line"}),
    "alternate": (TYPE_NAME, {"alternatives"}, set()),
    "command": (WORD, set(), {"arguments", "members", "returns", "aliases", "answered-by"}),
    "event": (EVENT_NAME, set(), {"members"}),
}


def load(paths):
    """Returns the sections of the schema files, in the order of the paths."""
    return [load_file(pathlib.Path(path)) for path in paths]


def load_file(path):
    where = path.name

    def unique_keys(pairs):
        keys = [key for key, _ in pairs]
        for key in keys:
            if keys.count(key) > 1:
                raise SchemaError(where, f"key '{key}' stands twice in one object")
        return dict(pairs)

    try:
        data = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=unique_keys)
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise SchemaError(where, str(error)) from error
    check_keys(where, data, {"title", "doc", "definitions"}, set())
    return Section(
        file=where,
        title=text(where, data, "title"),
        doc=text(where, data, "doc"),
        definitions=[definition(where, item, path.parent) for item in list_of(where, data, "definitions")],
    )


def definition(file, data, folder):
    name = data.get("name") if isinstance(data, dict) else None
    if not isinstance(name, str):
        raise SchemaError(file, "a definition has no name")
    where = f"{file}: {name}"
    kind = data.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise SchemaError(where, f"kind '{kind}' is not one of {', '.join(KINDS)}")
    pattern, required, allowed = KINDS[kind]
    check_keys(where, data, {"kind", "name", "doc"} | required, allowed)
    if not pattern.fullmatch(name):
        raise SchemaError(where, f"not a good name for a {kind}")

    result = Definition(file=file, kind=kind, name=name, doc=text(where, data, "doc"))
    if kind == "enum":
        result.members = named(where, "value", [enum_value(where, v) for v in list_of(where, data, "values")])
        if not result.members:
            raise SchemaError(where, "has no values")
    else:
        result.members = named(where, "member", [m for item in list_of(where, data, "members")
                                                 for m in members(where, item, folder)])
    result.command_line = data.get("command-line", False) is True
    if kind == "union":
        result.discriminator = text(where, data, "discriminator")
        result.branches = [branch(where, b) for b in list_of(where, data, "branches")]
    if kind == "alternate":
        result.alternatives = [alternative(where, a) for a in list_of(where, data, "alternatives")]
    if kind == "command":
        fill_command(where, data, result)
    return result


def fill_command(where, data, result):
    if "arguments" in data:
        if result.members:
            raise SchemaError(where, "has both 'arguments' and 'members'")
        result.arguments = text(where, data, "arguments")
    if "returns" in data:
        result.returns = type_reference(where, data, "returns")
    result.aliases = list_of(where, data, "aliases")
    for alias in result.aliases:
        if not isinstance(alias, str) or not WORD.fullmatch(alias):
            raise SchemaError(where, f"alias '{alias}' is not a good name")
    result.answered_by = data.get("answered-by", "handler")
    if result.answered_by not in ANSWERED_BY:
        raise SchemaError(where, f"'answered-by' is not one of {', '.join(ANSWERED_BY)}")


def members(where, data, folder):
    """The one member, or those of a list in a C++ header, which the file of the schema names by a relative path."""
    if not isinstance(data, dict) or "list" not in data:
        return [member(where, data)]
    where = f"{where}: list"
    check_keys(where, data, {"list"}, set())
    return listed_members(where, folder / text(where, data, "list"))


def member(where, data):
    name = item_name(where, "member", data)
    where = f"{where}: member '{name}'"
    check_keys(where, data, {"name", "type", "doc"}, {"optional"})
    optional = data.get("optional", False)
    if not isinstance(optional, bool):
        raise SchemaError(where, "'optional' is not true or false")
    return Member(name=name, type=type_reference(where, data, "type"), optional=optional,
                  doc=text(where, data, "doc"))


def enum_value(where, data):
    name = item_name(where, "value", data)
    where = f"{where}: value '{name}'"
    check_keys(where, data, {"name", "doc"}, set())
    return EnumValue(name=name, doc=text(where, data, "doc"))


def branch(where, data):
    check_keys(f"{where}: branch", data, {"value", "type"}, set())
    return Branch(value=text(where, data, "value"), type=text(where, data, "type"))


def alternative(where, data):
    where = f"{where}: alternative"
    check_keys(where, data, {"type", "doc"}, set())
    return Alternative(type=type_reference(where, data, "type"), json_kind="", doc=text(where, data, "doc"))


def item_name(where, what, data):
    name = data.get("name") if isinstance(data, dict) else None
    if not isinstance(name, str) or not WORD.fullmatch(name):
        raise SchemaError(where, f"a {what} has no name, or not a good one: {name!r}")
    return name


def named(where, what, items):
    names = [item.name for item in items]
    for name in names:
        if names.count(name) > 1:
            raise SchemaError(where, f"{what} '{name}' stands twice")
    return items


def check_keys(where, data, required, allowed):
    if not isinstance(data, dict):
        raise SchemaError(where, "not an object")
    for key in sorted(required - data.keys()):
        raise SchemaError(where, f"has no '{key}'")
    for key in data:
        if key not in required | allowed:
            raise SchemaError(where, f"key '{key}' is not known here")


def text(where, data, key):
    value = data.get(key)
    if not isinstance(value, str) or not value.strip():
        raise SchemaError(where, f"'{key}' is empty or not a text")
    return value


def list_of(where, data, key):
    value = data.get(key, [])
    if not isinstance(value, list):
        raise SchemaError(where, f"'{key}' is not a list")
    return value


def type_reference(where, data, key):
    match = TYPE_REFERENCE.fullmatch(text(where, data, key))
    if not match:
        raise SchemaError(where, f"'{data[key]}' is neither a type name nor a [type name]")
    return TypeReference(name=match["element"] or match["plain"], is_list=match["element"] is not None)
