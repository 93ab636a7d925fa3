#!/usr/bin/env python3
"""Checks an image with stock qemu-img check.

usage, in iotests/: python3 -m lib.stock_check FILE

Stock QEMU ignores the dedup table. The clusters of the table have refcount 1 and no user that stock QEMU finds, so it
reports them as leaks. Exactly these leaks are accepted: no error and no other leak.
"""
import re
import subprocess
import sys

from lib.image import Image


def stock_check(path):
    """(accepted, sentence)"""
    run = subprocess.run(["qemu-img", "check", "-f", "qcow2", path], capture_output=True, text=True)
    lines = (run.stdout + run.stderr).splitlines()
    leaks = [line for line in lines if line.startswith("Leaked cluster")]
    leaked = {int(match.group(1)) for line in leaks if (match := re.match(r"Leaked cluster (\d+) refcount=1 reference=0$", line))}
    table = Image(path).table_clusters()
    if run.returncode == 0 and not table:
        return True, "stock qemu-img check: no errors"
    if run.returncode == 3 and leaked == table and len(leaks) == len(table) and not any(line.startswith("ERROR") for line in lines):
        return True, f"stock qemu-img check: no errors, {len(leaked)} leaks, which are the dedup table"
    findings = [line for line in lines if not re.match(r"Leaked cluster (\d+) ", line) or
                int(line.split()[2]) not in table]
    missing = sorted(table - leaked)
    if missing:
        findings.append(f"clusters of the dedup table that stock QEMU does not report: {missing[:20]}")
    return False, "\n".join([f"stock qemu-img check: exit status {run.returncode}", *findings[:40]])


if __name__ == "__main__":
    accepted, sentence = stock_check(sys.argv[1])
    # The number of leaks depends on the size of the table; the tests that care ask for it themselves.
    print(re.sub(r"\d+ leaks, which are", "leaks are exactly", sentence) if accepted else sentence)
    sys.exit(0 if accepted else 1)
