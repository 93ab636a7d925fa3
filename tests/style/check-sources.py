#!/usr/bin/env python3
"""Checks what a compiler does not: directions of includes, length of files, their first line, words that mean "unfinished".

usage: check-sources.py PROJECT-ROOT
"""
import pathlib
import re
import sys

# Which folders a folder may include from, besides itself and include/. A name that ends in * stands for each folder there
# that has no entry of its own.
ALLOWED = {
    "include/block": [],
    "block/util": [],
    "block/node": ["block/util"],
    "block/*": ["block/util"],  # drivers
    "block/job": ["block/util"],
    "block/qcow2": ["block/util"],
    "block/qcow2/check": ["block/util", "block/qcow2"],
    "block/dedup": ["block/util"],
    "block/qcow2-dedup/table": ["block/util", "block/qcow2", "block/qcow2/check", "block/dedup"],
    "block/qcow2-dedup": ["block/util", "block/qcow2", "block/dedup", "block/qcow2-dedup/table"],
    "block/qcow2-driver": ["block/util", "block/qcow2", "block/qcow2/check", "block/dedup", "block/qcow2-dedup",
                           "block/qcow2-dedup/table"],
    "block/export": ["block/util"],
    "block/export/*": ["block/util", "block/export"],
    "block/export/nbd/nbdkit": ["block/util", "block/export", "block/export/nbd"],
    "block/tools": ["block/util", "block/job", "qapi"],
    "qapi": ["block/util"],
    "monitor": ["block/util", "block/export", "block/export/nbd", "block/export/nbd/nbdkit", "qapi"],
}
# Libraries and folders that only these folders and files may see.
RESERVED = {
    "nlohmann/": ("qapi/", "monitor/", "block/tools/"),
    "nbdkit-plugin.h": ("block/export/nbd/nbdkit/",),
    "block/export/nbd/nbdkit/": ("block/export/nbd/nbdkit/", "monitor/launch.cc", "monitor/plugin-daemon.cc"),
}
MOST_LINES = 500
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK|STUB)\b")


def folder_of(path):
    """The folder with an entry in ALLOWED, its own or one with a *, in which the path lies, or None. The deepest if there
    are several."""
    folders = [str(folder) for folder in pathlib.PurePosixPath(path).parents]
    return next((folder for folder in folders if rule_of(folder) is not None), None)


def rule_of(folder):
    """What ALLOWED states for the folder, or None."""
    return ALLOWED.get(folder, ALLOWED.get(folder.rpartition("/")[0] + "/*"))


def target_of(root, included):
    """Where an include in quotes leads: a folder that folder_of() returns, or None if it is generated or nobody's."""
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
            if included.startswith(library) and not name.startswith(users):
                yield f"{name}:{number}: may not see {included}"
        if match.group(1) == '"':
            target = target_of(root, included)
            if target and target not in (folder, "include/block", *rule_of(folder)):
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
