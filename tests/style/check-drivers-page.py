#!/usr/bin/env python3
"""Checks that docs/developer/drivers.md has a heading for each entry of a driver, and a word on each entry of its tables.

usage: check-drivers-page.py PROJECT-ROOT
"""
import pathlib
import re
import sys

ENTRY = re.compile(r"\(\*(\w+)\)\(")


def main():
    root = pathlib.Path(sys.argv[1]).resolve()
    page = (root / "docs/developer/drivers.md").read_text()
    headings = {name for line in re.findall(r"^### (.+)$", page, re.MULTILINE) for name in line.split(", ")}
    entries = ENTRY.findall((root / "include/block/driver.h").read_text())
    findings = [f"{name} has no heading" for name in entries if name not in headings]
    findings += [f"{name} is no entry" for name in sorted(headings - set(entries) - {"dedup", "debug"})]
    for table in ("dedup", "debug"):
        section = re.search(rf"^### {table}$(.*?)^#", page, re.MULTILINE | re.DOTALL)
        operations = ENTRY.findall((root / f"include/block/{table}.h").read_text())
        findings += [f"{table}->{name} is not mentioned" for name in operations if not section or f"`{name}`" not in section[1]]
    print("\n".join(findings) or f"{len(entries)} entries, nothing to complain about")
    return 1 if findings or len(entries) < 20 else 0


if __name__ == "__main__":
    sys.exit(main())
