#!/usr/bin/env python3
"""Makes LINK lead to TARGET, relative so that the build directory can be moved.

usage: link-file.py TARGET LINK STAMP
"""

import os
import pathlib
import sys

target, link, stamp = map(pathlib.Path, sys.argv[1:])
link.parent.mkdir(parents=True, exist_ok=True)
link.unlink(missing_ok=True)
link.symlink_to(os.path.relpath(target, link.parent))
stamp.touch()
