"""The parts of which every generated C++ file consists."""

import json
import textwrap


def comment(text, indent=""):
    return "\n".join(textwrap.wrap(text, width=96, initial_indent=indent + "// ", subsequent_indent=indent + "// "))


def literal(text):
    """Returns an ASCII text as a C++ string literal. JSON escapes are also C++ escapes."""
    return json.dumps(text)


def includes(names):
    return "\n".join(f"#include {name}" for name in names)


def header(purpose, namespace, guard, included, parts):
    guard = f"{namespace.upper()}_{guard}_H"
    body = "\n\n".join(parts)
    return (f"// {purpose}\n#ifndef {guard}\n#define {guard}\n\n{includes(included)}\n\n"
            f"namespace {namespace} {{\n\n{body}\n\n}} // namespace {namespace}\n\n#endif\n")


def source(purpose, namespace, included, parts):
    body = "\n\n".join(parts)
    return (f"// {purpose}\n{includes(included)}\n\nnamespace {namespace} {{\n\n{body}\n\n"
            f"}} // namespace {namespace}\n")
