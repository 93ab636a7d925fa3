"""Writes the reference manual in Markdown, with a chapter for each schema file."""

from model import BUILTINS


def reference_manual(schema, title):
    lines = [f"# {title}", "", "Generated from the schema, which also defines what the program checks and sends.", "",
             "## Built-in types", ""]
    lines += [f"* `{b.name}`: {b.doc}" for b in BUILTINS.values()]
    for section in schema.sections:
        lines += ["", f"## {section.title}", "", section.doc]
        for definition in section.definitions:
            if definition.name not in schema.own_structs:
                lines += ["", *describe(schema, definition)]
    return "\n".join(lines) + "\n"


def describe(schema, definition):
    kind = "object with further members" if definition.kind == "options" else definition.kind
    lines = [f"### {definition.name} ({kind})", "", definition.doc]
    if definition.kind == "enum":
        lines += ["", *(f"* `{value.name}`: {value.doc}" for value in definition.members)]
    elif definition.arguments in schema.own_structs:
        lines += members("Arguments" if definition.kind == "command" else "Data", definition.members)
    elif definition.arguments:
        lines += ["", f"Arguments: those of `{definition.arguments}`."]
    else:
        lines += members("Members", definition.members)
    for branch in definition.branches:
        lines += [f"* where `{definition.discriminator}` is `{branch.value}`: the members of `{branch.type}`"]
    if definition.alternatives:
        lines += ["", *(f"* `{a.type}`: {a.doc}" for a in definition.alternatives)]
    if definition.returns:
        lines += ["", f"Returns `{definition.returns}`."]
    if definition.aliases:
        lines += ["", "Also called " + ", ".join(f"`{alias}`" for alias in definition.aliases) + "."]
    return lines


def members(title, entries):
    if not entries:
        return []
    return ["", f"{title}:", ""] + [
        f"* `{m.name}` (`{m.type}`{', optional' if m.optional else ''}): {m.doc}" for m in entries]
