#!/usr/bin/env python3
"""Any change of any header that a driver module can include changes the stamp, and so does another compiler.

usage: stamp-test.py PROJECT-ROOT FOLDER...  (the folders are those that the build's stamp covers)
"""
import pathlib
import re
import subprocess
import sys
import tempfile

root, folders = pathlib.Path(sys.argv[1]), [pathlib.Path(name) for name in sys.argv[2:]]


def stamp(directory, roots, compiler="gcc-12"):
    made = directory / "stamp.h"
    subprocess.run([sys.executable, root / "include/block/make-stamp.py", made, directory / "stamp.d", "1.0", compiler, *roots],
                   check=True)
    return re.search(r'BLOCK_MODULE_STAMP "(.*)"', made.read_text()).group(1), (directory / "stamp.d").read_text()


def main():
    with tempfile.TemporaryDirectory(prefix="stamp-test-") as name:
        directory = pathlib.Path(name)
        copies = []
        for folder in folders:
            copies.append(directory / folder.relative_to(root))
            for header in folder.rglob("*.h"):
                copy = copies[-1] / header.relative_to(folder)
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(header.read_bytes())
        before, depends = stamp(directory, copies)
        failures = [] if stamp(directory, copies, "clang-14")[0] != before else ["the compiler"]
        # Every header of these folders, which the layering lets drivers include.
        for folder in ("include/block", "block/util", "block/node", "block/dedup"):
            for header in sorted((root / folder).glob("*.h")):
                copy = directory / header.relative_to(root)
                if not copy.exists():
                    failures.append(f"{header}: not covered")
                    continue
                text = copy.read_text()
                copy.write_text(text + "\n")
                if stamp(directory, copies)[0] == before or str(copy) not in depends:
                    failures.append(str(header))
                copy.write_text(text)
        if stamp(directory, copies)[0] != before:
            failures.append("the same headers have another stamp")
    for failure in failures:
        print(f"the stamp does not depend on {failure}")
    return 1 if failures else 0


sys.exit(main())
