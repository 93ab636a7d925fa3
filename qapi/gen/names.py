"""Converts names of the schema to names of C++."""

import re

CPP_KEYWORDS = frozenset("""
    alignas alignof and asm auto bool break case catch char class const continue default delete do double else enum
    explicit export extern false float for friend goto if inline int long mutable namespace new not operator or
    private protected public register requires return short signed sizeof static struct switch template this throw
    true try typedef typeid typename union unsigned using virtual void volatile while xor
""".split())


def cpp_name(name):
    """A member, value or command name: "node-name" becomes node_name, "default" becomes default_."""
    identifier = name.replace("-", "_")
    return identifier + "_" if identifier in CPP_KEYWORDS else identifier


def camel(name):
    """A type name from a command or event name: "blockdev-del" and "BLOCKDEV_DEL" become BlockdevDel."""
    return "".join(word.capitalize() for word in re.split("[-_]", name))
