"""Writers that are killed, and the question whether everything they had flushed is still there.

A writer is a program with qemu-io's prompt: stock qemu-io on an NBD export, or dedup-io on the image. It is fed one
command at a time, so that at any moment it is known which writes were acknowledged, which flushed, and which one is open.
"""
import os
import random
import signal
import subprocess
import threading

from lib.daemon import fail, quiet
from lib.image import Image
from lib.stock_check import stock_check

SECTOR = 512
SEED = int(os.environ.get("IOTESTS_SEED", random.SystemRandom().randrange(1 << 32)))


def rounds(count, enough):
    """`count` rounds, and on a slow machine as many more as it takes until enough() is true."""
    turn = 0
    while turn < count or (not enough() and turn < 10 * count):
        yield turn
        turn += 1
    if not enough():
        fail(f"{turn} rounds, and still too little happens in them to judge")


class SectorModel:
    """For each sector of a range the fill bytes it may hold: the flushed one and those written since."""

    def __init__(self, first, last):
        self.first, self.last = first, last  # bytes of the disk
        self.allowed = [[0] for _ in range((last - first) // SECTOR)]

    def write(self, offset, length, byte):
        for sector in range((offset - self.first) // SECTOR, (offset - self.first + length) // SECTOR):
            self.allowed[sector].append(byte)

    def flushed(self):
        self.allowed = [values[-1:] for values in self.allowed]

    def judge(self, disk):
        """Reads the range from an open raw file; sectors become certain again."""
        disk.seek(self.first)
        for sector, values in enumerate(self.allowed):
            data = disk.read(SECTOR)
            if data != data[:1] * SECTOR or data[0] not in values:
                fail(f"seed {SEED}: sector {self.first // SECTOR + sector} holds {data[:8].hex()}..., allowed {values}")
            self.allowed[sector] = [data[0]]


class Writer(threading.Thread):
    """Writes at random within the model's range until its program dies or stop() is called."""

    def __init__(self, command, model, seed):
        super().__init__(daemon=True)
        self.model, self.random, self.stopped = model, random.Random(seed), False
        self.flushes = 0
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.start()

    def prompt(self):
        """Waits for the prompt; the text before it, or None when the program is gone."""
        text = b""
        while not text.endswith(b"-io> "):
            piece = os.read(self.process.stdout.fileno(), 4096)
            if not piece:
                return None
            text += piece
        return text

    def say(self, line):
        """The reply, or None when the program is gone or its command failed."""
        try:
            self.process.stdin.write(line.encode() + b"\n")
            self.process.stdin.flush()
        except OSError:
            return None
        reply = self.prompt()
        return None if reply is None or b"failed" in reply or b"error" in reply.lower() else reply

    def run(self):
        if self.prompt() is None:
            return
        while not self.stopped:
            if self.random.random() < 0.1:
                if self.say("flush") is None:
                    return
                self.model.flushed()
                self.flushes += 1
                continue
            length = SECTOR * self.random.choice([1, 3, 8, 8, 8, 16, 100, 128])
            offset = self.random.randrange(self.model.first, self.model.last - length + 1, SECTOR)
            if self.random.random() < 0.6:  # whole clusters
                offset, length = offset // 4096 * 4096, max(4096, length // 4096 * 4096)
            byte = self.random.randrange(6)  # few contents: most writes are duplicates, some are zeros
            self.model.write(offset, length, byte)  # before it is sent: it may arrive though no reply does
            verb = "write -z" if byte == 0 and self.random.random() < 0.5 else f"write -P {byte}"
            if self.say(f"{verb} {offset} {length}") is None:
                return

    def stop(self):
        self.stopped = True
        self.join()
        self.process.stdin.close()
        self.process.wait()

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.join()


def judge_image(path, models):
    """After a crash: a writable open repairs, both checks are clean, and every sector holds what it may.

    A plain image without lazy refcounts is never marked dirty, so nothing repairs it: leaks are all it may have.
    """
    quiet("dedup-io", "-f", "qcow2", "-c", "read 0 512", path)
    if Image(path).dedup() is None:
        found = subprocess.run(["dedup-img", "check", "-f", "qcow2", path], capture_output=True, text=True)
        if found.returncode not in (0, 3):
            fail(f"seed {SEED}: {found.stdout}{found.stderr}")
        quiet("dedup-img", "check", "-f", "qcow2", "-r", "leaks", path)
    quiet("dedup-img", "check", "-f", "qcow2", path)
    accepted, sentence = stock_check(path)
    if not accepted:
        fail(f"seed {SEED}: {sentence}")
    quiet("qemu-img", "convert", "-f", "qcow2", "-O", "raw", path, "after.raw")
    with open("after.raw", "rb") as disk:
        for model in models:
            model.judge(disk)
