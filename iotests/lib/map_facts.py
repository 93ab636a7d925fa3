#!/usr/bin/env python3
"""Prints `dedup-img map --output=json` as lines that a test can compare.

usage: map_facts.py FILE [hosts] [owners]     also prints where data lies, and how many guest places share it
"""
import json
import subprocess
import sys

path, wanted = sys.argv[1], sys.argv[2:]
run = subprocess.run(["dedup-img", "map", "--output=json", "-f", "qcow2", path], capture_output=True, text=True)
if run.returncode:
    sys.exit(run.stderr.strip() or f"dedup-img map: exit status {run.returncode}")
for extent in json.loads(run.stdout):
    kind = "zero" if extent["zero"] else "data" if extent["data"] else "hole"
    words = [f"{extent['start']:#x}", f"{extent['length']:#x}", kind, f"depth={extent['depth']}"]
    if "hosts" in wanted and "offset" in extent:
        words.append(f"host={extent['offset']:#x}")
    if "owners" in wanted and "owners" in extent:
        words.append(f"owners={extent['owners']}")
    print(*words)
