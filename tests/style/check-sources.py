#!/usr/bin/env python3
"""Checks what a compiler does not: directions of includes, length of files, their first line, words that mean "unfinished".

usage: check-sources.py PROJECT-ROOT
"""
import pathlib
import re
import sys

# Which folders a folder may include from, besides itself and include/.
ALLOWED = {
    "include/block": [],
    "block/util": [],
    "block/node": ["block/util"],
    "block/file": ["block/util", "block/node"],
    "block/raw": ["block/util", "block/node"],
    "block/null": ["block/util", "block/node"],
    "block/debug": ["block/util", "block/node"],
    "block/qcow2": ["block/util", "block/node"],
    "block/qcow2/check": ["block/util", "block/node", "block/qcow2"],
    "block/dedup": ["block/util", "block/node"],
    "block/qcow2-dedup/table": ["block/util", "block/node", "block/qcow2", "block/qcow2/check", "block/dedup"],
    "block/qcow2-dedup": ["block/util", "block/node", "block/qcow2", "block/dedup", "block/qcow2-dedup/table"],
    "block/qcow2-driver": ["block/util", "block/node", "block/qcow2", "block/qcow2/check", "block/dedup", "block/qcow2-dedup",
                           "block/qcow2-dedup/table"],
    "block/export": ["block/util"],
    "block/tools": ["block/util", "qapi"],
    "qapi": ["block/util"],
    "monitor": ["block/util", "block/export", "qapi"],
}
# Libraries that only these folders may see.
RESERVED = {"nlohmann/": ("qapi", "monitor", "block/tools"), "nbdkit-plugin.h": ("block/export",)}
MOST_LINES = 500
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK|STUB)\b")


def folder_of(path):
    """The longest folder of ALLOWED that the path lies in, or None."""
    return max((folder for folder in ALLOWED if path.startswith(folder + "/")), key=len, default=None)


def target_of(root, included):
    """Where an include in quotes leads: a folder of ALLOWED, or None if it is generated or nobody's."""
    if (root / "include" / included).exists():
        return "include/block"
    return folder_of(included)


def findings_in(root, path):
    name = str(path.relative_to(root))
    folder, lines = folder_of(name), path.read_text().splitlines()
    if folder is None and name.split("/")[0] in ("include", "block", "qapi", "monitor"):
        yield f"{name}: nothing says from which folders {path.parent.relative_to(root)} may include"
    if not lines or not lines[0].startswith("//"):
        yield f"{name}:1: does not begin with a comment that says what the file is for"
    if len(lines) > MOST_LINES:
        yield f"{name}:{len(lines)}: longer than {MOST_LINES} lines"
    for number, line in enumerate(lines, 1):
        if UNFINISHED.search(line):
            yield f"{name}:{number}: unfinished: {line.strip()}"
        match = re.match(r'\s*#\s*include\s+(["<])([^">]+)', line)
        if not match or folder is None:
            continue
        included = match.group(2)
        for library, users in RESERVED.items():
            if included.startswith(library) and folder not in users:
                yield f"{name}:{number}: {folder} may not see {included}"
        if match.group(1) == '"':
            target = target_of(root, included)
            if target and target not in (folder, "include/block", *ALLOWED[folder]):
                yield f"{name}:{number}: {folder} may not include from {target}"


def main():
    root = pathlib.Path(sys.argv[1]).resolve()
    sources = sorted(path for top in ("include", "block", "qapi", "monitor", "tests", "bench")
                     for path in (root / top).rglob("*") if path.suffix in (".h", ".cc"))
    findings = [finding for path in sources for finding in findings_in(root, path)]
    print("\n".join(findings) or f"{len(sources)} files, nothing to complain about")
    return 1 if findings or not sources else 0


if __name__ == "__main__":
    sys.exit(main())
