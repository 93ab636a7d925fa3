"""The schema in memory: the loader produces it, and every output is generated from it."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Builtin:
    """A type that the schema may use without defining it."""

    name: str
    cpp: str  # C++ type in generated structs
    json_type: str  # QEMU's introspection: name and JSON type of the built-in it appears as
    introspected_as: str
    doc: str


BUILTINS = {
    builtin.name: builtin
    for builtin in [
        Builtin("str", "std::string", "string", "str", "text"),
        Builtin("bool", "bool", "boolean", "bool", "true or false"),
        Builtin("int", "std::int64_t", "int", "int", "an integer of 64 bits, signed"),
        Builtin("uint64", "std::uint64_t", "int", "int", "an integer of 64 bits, not negative"),
        Builtin("number", "double", "number", "number", "a number"),
        Builtin("facts", "block::InfoFields", "value", "any",
                "an object whose members depend on the driver"),
    ]
}


@dataclass
class TypeReference:
    """The name of a type, or a list of it: "Name" or "[Name]" in the schema."""

    name: str
    is_list: bool = False

    def __str__(self):
        return f"[{self.name}]" if self.is_list else self.name


@dataclass
class Member:
    """A member of a struct, a union's common part, a command's arguments or an event's data."""

    name: str
    type: TypeReference
    optional: bool
    doc: str
    boxed: bool = False  # held by pointer in C++, because its type contains this member


@dataclass
class EnumValue:
    name: str
    doc: str


@dataclass
class Branch:
    """The members of a union for one value of its discriminator."""

    value: str
    type: str


@dataclass
class Alternative:
    """One of the types of an alternate. `json_kind` selects it for a JSON value."""

    type: TypeReference
    json_kind: str
    doc: str


@dataclass
class Definition:
    file: str
    kind: str
    name: str
    doc: str
    members: list = field(default_factory=list)  # Member; for an enum: EnumValue
    discriminator: str = ""  # union
    branches: list = field(default_factory=list)  # union
    alternatives: list = field(default_factory=list)  # alternate
    arguments: str = ""  # command: name of its argument type, "" = takes none
    returns: TypeReference | None = None  # command
    aliases: list = field(default_factory=list)  # command
    answered_by: str = "handler"  # command
    command_line: bool = False  # struct or union: programs read it from options and turn it into options, too

    @property
    def where(self):
        return f"{self.file}: {self.name}"


@dataclass
class Section:
    """One schema file: a chapter of the reference manual."""

    file: str
    title: str
    doc: str
    definitions: list


class Schema:
    def __init__(self, sections):
        self.sections = sections
        self.by_name = {d.name: d for s in sections for d in s.definitions}
        # Filled by the resolver: types that clients send, types that are sent to clients or become options, and the
        # structs for the members of commands and events.
        self.inputs = set()
        self.outputs = set()
        self.own_structs = set()

    @property
    def definitions(self):
        return [d for section in self.sections for d in section.definitions]

    def of_kind(self, *kinds):
        return [d for d in self.definitions if d.kind in kinds]

    def discriminator(self, union):
        """Returns the member of a union that selects its branch."""
        return next(m for m in union.members if m.name == union.discriminator)
