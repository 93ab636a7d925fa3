"""Finds the types that are read and those that are sent. Refuses unused types and types in the wrong direction."""

from errors import SchemaError
from model import BUILTINS

# Types that exist in one direction only, with the message for the other direction.
ONLY_INPUT = "options"
ONLY_OUTPUT = "facts"


def check_usage(schema):
    """Fills schema.inputs and schema.outputs."""
    used = set()
    for command in schema.of_kind("command"):
        if command.arguments:
            collect(schema, command.arguments, schema.inputs, used)
        if command.returns:
            outputs = schema.outputs if command.answered_by == "handler" else set()
            collect(schema, command.returns.name, outputs, used)
    for event in schema.of_kind("event"):
        collect(schema, event.arguments, schema.outputs, used)
    for definition in schema.of_kind("struct", "union"):
        if definition.command_line:
            collect(schema, definition.name, schema.inputs, used)
            collect(schema, definition.name, schema.outputs, used)  # for to_options()

    for definition in schema.definitions:
        if definition.kind in ("command", "event"):
            continue
        if definition.name not in used:
            raise SchemaError(definition.where, "is used by no command, event or command line")
        if definition.kind == ONLY_INPUT and definition.name in schema.outputs:
            raise SchemaError(definition.where, "is sent to clients, but options can only be read")
        if definition.name in schema.inputs and ONLY_OUTPUT in [m.type.name for m in typed_members(definition)]:
            raise SchemaError(definition.where, "is read from clients, but facts can only be sent")


def typed_members(definition):
    return [] if definition.kind == "enum" else definition.members


def collect(schema, name, types, used):
    """Adds the named type and every type that it refers to."""
    if name in BUILTINS or name in types:
        return
    types.add(name)
    used.add(name)
    definition = schema.by_name[name]
    for member in typed_members(definition):
        # The listed members of options serve documentation and introspection. Drivers read them.
        target = set() if definition.kind == "options" else types
        collect(schema, member.type.name, target, used)
    for alternative in definition.alternatives:
        collect(schema, alternative.type.name, types, used)
    for branch in definition.branches:
        used.add(branch.type)
        for member in schema.by_name[branch.type].members:
            collect(schema, member.type.name, types, used)
