"""A disk that can be full for a moment, as thin-provisioned ones can: ext4 on a loop device on a tmpfs.

A block of the disk that has no page in the tmpfs needs one when it is written. While the tmpfs is full it gets none, and
the kernel's write-back of that block fails, as on any disk that returns an error. All other blocks can be written.
"""
import contextlib
import ctypes
import os
import pathlib
import re
import shutil
import subprocess

BLOCK = 4096
DISK_BYTES = 32 << 20
PROGRAMS = ("losetup", "mkfs.ext4", "mount", "umount", "filefrag", "fallocate", "qemu-img", "qemu-io")


def run(*command):
    return subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True).stdout


class ThinDisk:
    """In the current directory: tmpfs "thin" with the file "disk", and its file system at "mounted"."""

    def __init__(self, bare=False):
        """bare: no file system; the loop device itself is used."""
        self.bare = bare
        self.loop = None
        os.makedirs("thin")
        os.makedirs("mounted")
        run("mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES + (8 << 20)}", "tmpfs", "thin")
        pathlib.Path("thin/disk").write_bytes(bytes(DISK_BYTES))
        self.loop = run("losetup", "-f", "--show", os.path.abspath("thin/disk")).strip()
        if not bare:
            run("mkfs.ext4", "-q", "-b", BLOCK, "-E", "nodiscard,lazy_itable_init=0,lazy_journal_init=0", self.loop)
            self.mount()

    def remove(self):
        self.unmount()
        if self.loop:
            run("losetup", "-d", self.loop)
        subprocess.run(["umount", "thin"], check=False)

    def mount(self):
        run("mount", self.loop, "mounted")

    def unmount(self):
        subprocess.run(["umount", "mounted"], check=False, stderr=subprocess.DEVNULL)

    def drop_page_cache(self):
        """What is read after that is what the disk holds."""
        if self.bare:
            run("blockdev", "--flushbufs", self.loop)
        else:
            self.unmount()
            self.mount()

    def make_unwritable(self, name, offsets):
        """Those blocks of the file, and no others, cannot be written back from now on.

        The disk loses them, so it holds zeros there; the page cache goes on to show what was in them.
        """
        path = self.loop if self.bare else f"mounted/{name}"
        run("sync", path)
        with open(path, "rb") as cached:
            for offset in offsets:
                cached.seek(offset)
                cached.read(BLOCK)
        for offset in offsets:
            block = offset // BLOCK if self.bare else self.block_of(path, offset)
            run("fallocate", "-p", "-o", block * BLOCK, "-l", BLOCK, "thin/disk")
        with contextlib.suppress(OSError), open("thin/filler", "wb", buffering=0) as filler:
            while filler.write(bytes(1 << 20)):
                pass
        with contextlib.suppress(OSError), open("thin/filler", "ab", buffering=0) as filler:
            while filler.write(bytes(BLOCK)):
                pass

    @staticmethod
    def block_of(path, offset):
        """Where on the disk that byte of the file is."""
        for line in run("filefrag", "-e", f"-b{BLOCK}", path).splitlines():
            if re.match(r"\s*\d+:", line):
                first, last, physical = [int(n) for n in re.findall(r"\d+", line)][1:4]
                if first <= offset // BLOCK <= last:
                    return physical + offset // BLOCK - first
        raise ValueError(f"{path} has nothing at {offset}")

    def recover(self):
        """There is space again."""
        os.remove("thin/filler")

    @contextlib.contextmanager
    def after_power_cut(self):
        """Another disk, mounted at "cut": what this one would hold if the power failed now."""
        shutil.copyfile("thin/disk", "cut.disk")
        os.makedirs("cut", exist_ok=True)
        loop = run("losetup", "-f", "--show", os.path.abspath("cut.disk")).strip()
        try:
            run("mount", loop, "cut")
            try:
                yield
            finally:
                run("umount", "cut")
        finally:
            run("losetup", "-d", loop)


def why_not():
    """Why there can be no such disk here, or nothing. Mounts are in a namespace of this process from then on."""
    missing = [program for program in PROGRAMS if not shutil.which(program)]
    if missing:
        return f"{missing[0]} is not installed"
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(0x00020000) != 0 or libc.mount(b"none", b"/", None, (1 << 14) | (1 << 18), None) != 0:
        return "file systems cannot be mounted here: " + os.strerror(ctypes.get_errno())
    found = subprocess.run(["losetup", "-f"], capture_output=True, text=True, check=False)
    if found.returncode != 0 or not os.access(found.stdout.strip(), os.W_OK):
        return "there are no loop devices: " + found.stderr.strip()
    return None
