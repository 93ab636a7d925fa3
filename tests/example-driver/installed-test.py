#!/usr/bin/env python3
"""Builds a driver with pkg-config from an installed tree, and opens an image with it by the installed programs.

usage: installed-test.py BUILD-ROOT DRIVER-HEADER SOURCE COMPILER...  (DRIVER-HEADER: driver.h of the source tree)
"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

build, driver_header, source = map(pathlib.Path, sys.argv[1:4])
compiler = sys.argv[4:]


def output_of(*command, **options):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, **options).stdout.strip()


def only(paths):
    path, = paths
    return path


def main():
    with tempfile.TemporaryDirectory(prefix="installed-test-") as name:
        directory = pathlib.Path(name)
        root = directory / "root"
        output_of("meson", "install", "-C", build, "--no-rebuild", "--quiet", "--destdir", root)

        headers = only(root.rglob("block/driver.h")).parent
        missing = {path.name for path in driver_header.parent.glob("*.h")} - {path.name for path in headers.iterdir()}
        if missing:
            sys.exit(f"not installed: {', '.join(sorted(missing))}")

        packages = {**os.environ, "PKG_CONFIG_PATH": str(only(root.rglob("qcow2-dedup.pc")).parent),
                    "PKG_CONFIG_SYSROOT_DIR": str(root)}
        flags = output_of("pkg-config", "--cflags", "--libs", "qcow2-dedup", env=packages).split()
        module = directory / "block-xor.so"
        subprocess.run([*compiler, "-shared", "-fPIC", source, "-o", module, *flags], check=True)

        modules = only(root.rglob("libdedup-block.so")).parent
        named = output_of("pkg-config", "--variable=moduledir", "qcow2-dedup", env=packages)
        if not str(modules).endswith(named):
            sys.exit(f"pkg-config names the module directory {named}, it is {modules}")
        shutil.copy(module, modules)

        disk, copy = directory / "disk", directory / "copy"
        disk.write_bytes(bytes([7]) * 65536)
        # The run path of the programs names the real prefix.
        programs = {**os.environ, "LD_LIBRARY_PATH": str(modules)}
        dedup_img = only(root.rglob("bin/dedup-img"))
        image = f"driver=xor,key=5,file.driver=file,file.filename={disk}"
        subprocess.run([dedup_img, "convert", "--image-opts", "-O", "raw", image, copy], check=True, env=programs)
        if copy.read_bytes() != bytes([7 ^ 5]) * 65536:
            sys.exit("the driver did not decode the disk")


main()
