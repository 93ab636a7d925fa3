#!/usr/bin/env python3
"""Lints the Python and shell scripts with pyflakes and shellcheck; skipped where neither is installed.

usage: check-scripts.py PROJECT-ROOT
"""
import pathlib
import shutil
import subprocess
import sys

SKIPPED = 77  # Meson's exit status for a skipped test
# Words of iotests/lib/common.sh come from a file that is named by a variable, so shellcheck does not see them.
SHELLCHECK = ["shellcheck", "--external-sources", "--severity=warning", "--exclude=SC1090,SC1091,SC2154"]


def scripts(root):
    """(Python files, shell files), by suffix or by the first line."""
    python, shell = [], []
    folders = [path for path in root.iterdir() if path.is_dir() and not path.name.startswith((".", "build"))]
    for path in sorted([root / "dev", root / ".ci" / "run", *(path for folder in folders for path in folder.rglob("*"))]):
        if not path.is_file() or path.is_symlink():
            continue
        with open(path, "rb") as file:
            first = file.readline(60)
        if path.suffix == ".py" or (first.startswith(b"#!") and b"python3" in first):
            python.append(path)
        elif path.suffix == ".sh" or (first.startswith(b"#!") and first.rstrip().endswith((b"bash", b"/sh"))):
            shell.append(path)
    return python, shell


def main():
    root = pathlib.Path(sys.argv[1]).resolve()
    python, shell = scripts(root)
    linters = [(command, files) for command, files in ((["pyflakes3"], python), (SHELLCHECK, shell)) if shutil.which(command[0])]
    if not linters:
        print("neither pyflakes3 nor shellcheck is installed")
        return SKIPPED
    failed = [command[0] for command, files in linters if not files or subprocess.run([*command, *files]).returncode]
    print(f"{len(python)} Python and {len(shell)} shell scripts, " + ("findings above" if failed else "nothing to complain about"))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
