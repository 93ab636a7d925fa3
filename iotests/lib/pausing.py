"""Somebody who pauses and resumes deduplication again and again while a test writes, and what must hold at the end."""
import os
import subprocess
import threading
import time

from lib.daemon import URI, fail, quiet
from lib.stock_check import stock_check

# How long a load runs; its turns, between pausing and resuming, grow with it.
SECONDS = int(os.environ.get("IOTESTS_SECONDS", "0")) or 8
TURN = min(5.0, max(0.4, SECONDS / 20))


class PauseAndResume(threading.Thread):
    """Pauses and resumes until stop(). The scan's speed changes too, so that a pause comes at any of its steps."""

    def __init__(self, daemon):
        super().__init__(daemon=True)
        self.client = daemon.qmp()
        self.stopping = threading.Event()
        self.turns, self.error = 0, None
        self.start()

    def run(self):
        try:
            while not self.stopping.wait(TURN):
                self.client.command("block-pause-dedup", device="disk")
                self.expect("paused")
                self.stopping.wait(TURN)
                rate = (0, 4 << 20, 64 << 20)[self.turns % 3]
                self.client.command("block-resume-dedup", device="disk", scan_rate=rate, scan_all=self.turns % 4 == 3)
                self.expect("starting", "resuming", "running")
                self.turns += 1
        except Exception as error:  # told by stop(): a thread cannot fail a test
            self.error = error

    def expect(self, *statuses):
        status = self.client.command("query-dedup", device="disk")[0]["dedup"]["status"]
        if status not in statuses:
            raise AssertionError(f"the status is {status}, not one of {statuses}")

    def stop(self):
        """Ends with deduplication running, and no limit of the scan's rate."""
        self.stopping.set()
        self.join()
        if self.error:
            fail(f"pausing and resuming: {self.error!r}")
        self.client.command("block-resume-dedup", device="disk", scan_rate=0)
        self.client.close()


def wait_for_scan(daemon, seconds=60):
    """Waits until the status is "running"; returns the figures then."""
    client, deadline = daemon.qmp(), time.monotonic() + seconds
    while True:
        figures = client.command("query-dedup", device="disk")[0]["dedup"]
        if figures["status"] == "running":
            break
        if time.monotonic() > deadline:
            fail(f"the scan has not ended after {seconds} s: {figures}")
        time.sleep(0.05)
    if "error" in figures["scan"]:
        fail(f"the scan: {figures['scan']['error']}")
    client.close()
    return figures


def stop_and_judge(daemon, image):
    """What was read over NBD last is what the closed image holds, and it is in order, says everyone who can check it."""
    quiet("nbdcopy", URI, "copy.raw")
    daemon.stop()
    quiet("qemu-img", "compare", "-f", "qcow2", "-F", "raw", image, "copy.raw")
    quiet("dedup-img", "check", "-f", "qcow2", "--deep", image)
    accepted, sentence = stock_check(image)
    if not accepted:
        fail(sentence)


def fio_has_nbd():
    try:
        return "nbd" in subprocess.run(["fio", "--enghelp"], capture_output=True, text=True).stdout.split()
    except FileNotFoundError:
        return False
