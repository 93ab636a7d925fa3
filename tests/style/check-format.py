#!/usr/bin/env python3
"""Checks that every source file is as clang-format writes it; skipped where clang-format is not installed.

usage: check-format.py PROJECT-ROOT
"""
import pathlib
import shutil
import subprocess
import sys

SKIPPED = 77  # Meson's exit status for a skipped test

root = pathlib.Path(sys.argv[1]).resolve()
if not shutil.which("clang-format"):
    print("clang-format is not installed")
    sys.exit(SKIPPED)
sources = sorted(path for top in ("include", "block", "qapi", "monitor", "tests", "bench")
                 for path in (root / top).rglob("*") if path.suffix in (".h", ".cc"))
sys.exit(subprocess.run(["clang-format", "--dry-run", "-Werror", *sources]).returncode if sources else 1)
