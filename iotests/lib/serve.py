"""./dev serve for tests in Python: what it prints, its restarts, and the disk it leaves."""
import atexit
import os
import pathlib
import re
import signal
import subprocess
import time

from lib import boot_guest
from lib.daemon import fail, quiet
from lib.stock_check import stock_check

ROOT = pathlib.Path(os.environ["IOTESTS_LIB"]).parents[1]


def wait_for(what, condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            fail(f"{what}: still waiting after {seconds} s")
        time.sleep(0.05)


class Serve:
    """./dev serve without the build: what it printed, and its end."""

    def __init__(self):
        self.log = open("serve.log", "w+")
        self.process = subprocess.Popen([ROOT / "packaging/serve", pathlib.Path(os.environ["IOTESTS_BUILD"]) / "bin", "disk.qcow2", "64M"],
                                        stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT, start_new_session=True)
        atexit.register(self.terminate)
        wait_for("the printed lines", lambda: "Ctrl-C" in self.text())
        self.uri = re.search(r"nbdinfo '(.*)'", self.text()).group(1)
        wait_for(f"serving: {self.text()}", lambda: not subprocess.run(["nbdinfo", "--size", self.uri], capture_output=True).returncode)

    def text(self):
        return pathlib.Path("serve.log").read_text()

    def qemu_lines(self):
        return re.search(r"^QEMU:\n((?:  .*\n)+)", self.text(), re.M).group(1).splitlines()

    def qemu_options(self):
        return " ".join(self.qemu_lines()).split()

    def libvirt_disk(self):
        return re.search(r"  <disk .*?</disk>\n", self.text(), re.S).group(0)

    def daemon(self):
        return int(quiet("pgrep", "-P", str(self.process.pid)))

    def terminate(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(60)

    def end(self, how):
        if how == "clean":
            os.killpg(self.process.pid, signal.SIGINT)  # as a terminal does
        else:
            os.kill(self.daemon(), signal.SIGKILL)
        status = self.process.wait(60)
        if (status == 0) != (how == "clean"):
            fail(f"serve ended with status {status} after a {how} end: {self.text()}")


def judge_disk():
    accepted, sentence = stock_check("disk.qcow2")
    quiet("qemu-img", "convert", "-f", "qcow2", "-O", "raw", "disk.qcow2", "after.raw")
    with open("after.raw", "rb") as disk:
        for number, content in boot_guest.sectors():
            disk.seek(number * 512)
            if disk.read(512) != content:
                fail(f"sector {number} does not hold what the guest wrote")
    print(f"the image holds what the guest wrote; check: {'clean' if accepted else sentence}")


def serve_bootable_disk():
    """A disk that boots the guest of boot_guest.py, being served."""
    serve = Serve()
    boot_guest.make_boot_sector("boot.bin")
    quiet("qemu-io", "-f", "raw", "-c", "write -s boot.bin 0 512", serve.uri)
    return serve
