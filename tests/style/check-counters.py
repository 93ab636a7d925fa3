#!/usr/bin/env python3
"""Checks that every counter of deduplication is explained, and is added to in one place of the sources.

usage: check-counters.py PROJECT-ROOT
"""
import pathlib
import re
import sys


def main():
    root = pathlib.Path(sys.argv[1]).resolve()
    counters = re.findall(r"^  COUNTER\((\w+),", (root / "include/block/dedup-counter-list.h").read_text(), re.MULTILINE)
    rows = re.findall(r"^\| `(\w+)` \| .{10,} \|$", (root / "docs/user/counters.md").read_text(), re.MULTILINE)
    sources = "\n".join(path.read_text() for path in sorted((root / "block").rglob("*.cc")) +
                        sorted((root / "block").rglob("*.h")))
    findings = [f"docs/user/counters.md: {name} is not explained" for name in counters if name not in rows]
    for name in counters:
        places = len(re.findall(rf"\b{name}\.add\(", sources))
        if places != 1:
            findings.append(f"{name} is added to in {places} places, not in one")
    print("\n".join(findings) or f"{len(counters)} counters, nothing to complain about")
    return 1 if findings or len(counters) < 16 else 0


if __name__ == "__main__":
    sys.exit(main())
