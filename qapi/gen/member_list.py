"""Reads members of a struct from a list in a C++ header, so that they are not listed a second time in the schema.

Such a list is a macro whose lines are COUNTER(name, "documentation"). Each entry becomes a required member of type
uint64. The name gets hyphens in place of underscores.
"""

import re

from errors import SchemaError
from model import Member, TypeReference

CALL = re.compile(r"^ +COUNTER\(", re.MULTILINE)
ENTRY = re.compile(r'^ +COUNTER\(\s*(?P<name>[a-z]\w*),(?P<doc>(?:\s*"[^"\\\n]+")+)\)', re.MULTILINE)
PART_OF_DOC = re.compile(r'"([^"]+)"')


def listed_members(where, path):
    try:
        text = path.read_text(encoding="utf-8").replace("\\\n", "\n")
    except (OSError, UnicodeDecodeError) as error:
        raise SchemaError(where, str(error)) from error
    entries = list(ENTRY.finditer(text))
    if not entries or len(entries) != len(CALL.findall(text)):
        raise SchemaError(where, f"{path.name} has no list, or an entry that is not COUNTER(name, \"documentation\")")
    return [Member(name=entry["name"].replace("_", "-"), type=TypeReference("uint64"), optional=False,
                   doc="".join(PART_OF_DOC.findall(entry["doc"]))) for entry in entries]
