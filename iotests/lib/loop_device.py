"""Block devices with a history, for tests: loop devices over files whose bytes are not zero."""
import os
import subprocess
import sys

HISTORY = b"\xaa"


class LoopDevice:
    """A loop device over `file`, which is made with `size` bytes of history. Skips the test where there are none."""

    def __init__(self, file, size, *options):
        self.file, self.size = file, size
        self.fill()
        run = subprocess.run(["losetup", "-f", "--show", *options, file], capture_output=True, text=True)
        if run.returncode:
            print("loop devices are not available here:", run.stderr.strip())
            sys.exit(77)
        self.path = run.stdout.strip()

    def fill(self):
        """The device holds nothing but history again."""
        with open(getattr(self, "path", self.file), "r+b" if hasattr(self, "path") else "wb") as out:
            for _ in range(0, self.size, 1 << 20):
                out.write(HISTORY * min(1 << 20, self.size))
            out.flush()
            os.fsync(out.fileno())

    def read(self, offset=0, size=None):
        with open(self.path, "rb") as device:
            device.seek(offset)
            return device.read(self.size - offset if size is None else size)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        subprocess.run(["losetup", "-d", self.path], check=False)
