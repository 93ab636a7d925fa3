"""The answer of query-qmp-schema, in the form QEMU gives it: a flat list of SchemaInfo.

Names of our own types are replaced by numbers, as QEMU does, so that clients depend on the structure of a type and not
on its name.
"""

import json

from model import BUILTINS


def introspection_text(schema):
    """Returns the JSON text of the list in pieces, one for each entry."""
    entries = Introspection(schema).entries
    texts = [json.dumps(entry) for entry in entries]
    return ["[" + texts[0], *(", " + text for text in texts[1:]), "]"]


class Introspection:
    def __init__(self, schema):
        self.schema = schema
        self.numbers = {}
        self.queue = []
        self.entries = []
        for definition in schema.of_kind("command", "event"):
            for name in [definition.name, *definition.aliases]:
                self.entries.append(self.entry_point(definition, name))
        while self.queue:
            self.entries.append(self.queue.pop(0)())

    def entry_point(self, definition, name):
        entry = {"name": name, "meta-type": definition.kind,
                 "arg-type": self.named(definition.arguments) if definition.arguments else self.empty()}
        if definition.kind == "command":
            entry["ret-type"] = self.reference(definition.returns) if definition.returns else self.empty()
        return entry

    def number(self, key, make_entry):
        """Returns the number that names a type. The type's entry is made once, later."""
        if key not in self.numbers:
            number = str(len(self.numbers))
            self.numbers[key] = number
            self.queue.append(lambda: {"name": number, **make_entry()})
        return self.numbers[key]

    def empty(self):
        return self.number("", lambda: {"meta-type": "object", "members": []})

    def reference(self, reference):
        if not reference.is_list:
            return self.named(reference.name)
        element = self.named(reference.name)
        key = f"[{element}]"
        if key not in self.numbers:
            self.numbers[key] = key
            self.queue.append(lambda: {"name": key, "meta-type": "array", "element-type": element})
        return key

    def named(self, name):
        if name in BUILTINS:
            builtin = BUILTINS[name]
            key = builtin.introspected_as
            if key not in self.numbers:
                self.numbers[key] = key
                self.queue.append(lambda: {"name": key, "meta-type": "builtin", "json-type": builtin.json_type})
            return key
        definition = self.schema.by_name[name]
        return self.number(name, lambda: getattr(self, "describe_" + definition.kind)(definition))

    def member(self, member):
        entry = {"name": member.name, "type": self.reference(member.type)}
        if member.optional:
            entry["default"] = None
        return entry

    def describe_enum(self, enum):
        names = [value.name for value in enum.members]
        return {"meta-type": "enum", "members": [{"name": name} for name in names], "values": names}

    def describe_struct(self, struct):
        return {"meta-type": "object", "members": [self.member(m) for m in struct.members]}

    describe_options = describe_struct

    def describe_union(self, union):
        return {**self.describe_struct(union), "tag": union.discriminator,
                "variants": [{"case": b.value, "type": self.named(b.type)} for b in union.branches]}

    def describe_alternate(self, alternate):
        return {"meta-type": "alternate",
                "members": [{"type": self.reference(a.type)} for a in alternate.alternatives]}
