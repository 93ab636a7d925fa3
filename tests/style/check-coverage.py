#!/usr/bin/env python3
"""Checks docs/developer/seeds-coverage.md: every row is there, in order, and every test that it names exists.

usage: check-coverage.py PROJECT-ROOT
"""
import pathlib
import re
import sys

ROWS = {"A": 7, "B": 5, "C": 15, "D": 6, "E": 8, "F": 4, "G": 5, "H": 7, "I": 10}
COMMANDS = {"./dev bench", "./dev test --clang"}


def main():
    root = pathlib.Path(sys.argv[1]).resolve()
    text = (root / "docs/developer/seeds-coverage.md").read_text()
    cases = {match.groups() for path in (root / "tests").rglob("*.cc")
             for match in re.finditer(r"^TEST(?:_F|_P)?\((\w+),\s*(\w+)\)", path.read_text(), re.MULTILINE)}
    suites = {suite for suite, _ in cases}
    rows = re.findall(r"^\| ([A-I]\d+) \| .+ \| (.+) \|$", text, re.MULTILINE)
    findings = []
    wanted = [f"{group}{number}" for group, count in ROWS.items() for number in range(1, count + 1)]
    if [row for row, _ in rows] != wanted:
        findings.append("rows that lack or are out of order: " + ", ".join(sorted(set(wanted) ^ {row for row, _ in rows})))
    for row, proofs in rows:
        for name in re.findall(r"`([^`]+)`", proofs):
            suite, _, case = name.partition(".")
            known = name in COMMANDS or (suite, case) in cases or (case == "*" and suite in suites) \
                or (root / "iotests/tests" / name).is_file() or (root / "tests/style" / name).is_file() \
                or (name.startswith("bench/") and (root / name).is_file())
            if not known:
                findings.append(f"{row} names {name}, which does not exist")
    print("\n".join(findings) or f"{len(rows)} rows, nothing to complain about")
    return 1 if findings or not rows else 0


if __name__ == "__main__":
    sys.exit(main())
