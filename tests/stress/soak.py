#!/usr/bin/env python3
"""The daemon under load for as long as you like, while its memory, threads and descriptors are watched.

Clients write, zero, trim and read their parts of one deduplicated disk, each knowing what it must hold; meanwhile
deduplication is paused and resumed with scans, further exports of the same disk and whole other disks come and go with
clients of their own. Memory must not grow by 2 % after the warm-up, threads and descriptors not at all; at the end every
byte is as it was written and all checks are clean.
"""
import argparse
import os
import pathlib
import random
import statistics
import sys
import tempfile
import threading
import time

from lib import pausing
from lib.daemon import Daemon, quiet, remove
from lib.nbd_client import NbdClient

ROOT = pathlib.Path(__file__).resolve().parents[2]
CLUSTER = 4096
DISK = 64 << 20
CLIENTS = 4
PART = DISK // CLIENTS // CLUSTER  # clusters of one client
CONTENTS = 3000
# Of memory, after a warm-up of so many seconds, or half the time: each of malloc's arenas has to serve a connection that
# works hard once.
MOST_GROWTH = 0.02
WARM_UP = 900
# Seconds; of a shorter run memory is told, but not judged.
LONG_ENOUGH = 1200


def make_contents():
    generator = random.Random(1)
    return [bytes(CLUSTER)] + [generator.randbytes(CLUSTER) for _ in range(CONTENTS)]


class Load:
    """What everyone shares: the end, and what went wrong."""

    def __init__(self, seconds, seed):
        self.begin = time.monotonic()
        self.deadline = self.begin + seconds
        self.seed, self.contents = seed, make_contents()
        self.requests = self.exports = self.disks = 0
        self.failure = None
        self.lock = threading.Lock()
        self.threads = []

    def goes_on(self):
        return self.failure is None and time.monotonic() < self.deadline

    def start(self, function, *arguments):
        def guarded():
            try:
                function(*arguments)
            except BaseException as error:  # a thread cannot end the run
                self.failure = f"{function.__name__}{arguments}: {error!r}"

        thread = threading.Thread(target=guarded, daemon=True)
        thread.start()
        self.threads.append(thread)

    def count(self, requests=0, exports=0, disks=0):
        with self.lock:
            self.requests += requests
            self.exports += exports
            self.disks += disks


def expect(condition, what):
    if not condition:
        raise AssertionError(what)


class Guest:
    """A client that owns a part of the disk. Each cluster's model is the contents it may have."""

    def __init__(self, load, number):
        self.load, self.first = load, number * PART
        self.random = random.Random(load.seed + number)
        self.model = [(0,)] * PART

    def expect_contents(self, cluster, data):
        for at in range(0, len(data), CLUSTER):
            piece = data[at:at + CLUSTER]
            allowed = self.model[cluster + at // CLUSTER]
            expect(any(piece == self.load.contents[number] for number in allowed),
                   f"cluster {self.first + cluster + at // CLUSTER} holds {piece[:16].hex()}..., not one of {allowed}")

    def step(self, client):
        cluster = self.random.randrange(PART)
        count = min(self.random.choice((1, 1, 2, 4, 16, 64)), PART - cluster)
        offset, length = (self.first + cluster) * CLUSTER, count * CLUSTER
        chance = self.random.random()
        if chance < 0.5:
            numbers = [self.random.randrange(CONTENTS + 1) for _ in range(count)]
            expect(client.write(offset, b"".join(self.load.contents[each] for each in numbers)) == 0, "a write failed")
            self.model[cluster:cluster + count] = [(each,) for each in numbers]
        elif chance < 0.55:
            expect(client.write_zeroes(offset, length) == 0, "a write of zeros failed")
            self.model[cluster:cluster + count] = [(0,)] * count
        elif chance < 0.6:
            expect(client.trim(offset, length) == 0, "a trim failed")
            self.model[cluster:cluster + count] = [tuple({0, *each}) for each in self.model[cluster:cluster + count]]
        elif chance < 0.62:
            expect(client.flush() == 0, "a flush failed")
        else:
            error, data = client.read(offset, length)
            expect(error == 0, "a read failed")
            self.expect_contents(cluster, data)

    def run(self):
        client = NbdClient()
        # All of it at first, so that memory for it is not taken for growth.
        for cluster in range(0, PART, 64):
            numbers = [self.random.randrange(CONTENTS + 1) for _ in range(64)]
            expect(client.write((self.first + cluster) * CLUSTER, b"".join(self.load.contents[each] for each in numbers)) == 0,
                   "a write failed")
            self.model[cluster:cluster + 64] = [(each,) for each in numbers]
        steps = 0
        while self.load.goes_on():
            self.step(client)
            steps += 1
            if steps % 500 == 0:
                self.load.count(requests=500)
                client.close()
                client = NbdClient()
        client.close()


def come_and_go(load, daemon):
    """A second export of the disk, and another disk, each with a client; sometimes the client vanishes."""
    generator = random.Random(load.seed - 1)
    monitor = daemon.qmp()
    while load.goes_on():
        monitor.command("block-export-add", type="nbd", id="more", node_name="disk", name="more", writable=False)
        client = NbdClient(name="more")
        error, _ = client.read(generator.randrange(DISK // CLUSTER) * CLUSTER, CLUSTER)
        expect(error == 0, "a read through the second export failed")
        if generator.random() < 0.5:
            for _ in range(8):
                client.send(NbdClient.READ, 0, 1 << 20)
        client.close()
        remove(monitor, "block-export-del", id="more")
        monitor.command("blockdev-add", driver="qcow2", node_name="other", file={"driver": "file", "filename": "other.qcow2"})
        monitor.command("block-export-add", type="nbd", id="other", node_name="other", name="other", writable=True)
        client = NbdClient(name="other")
        number = generator.randrange(CONTENTS)
        for cluster in range(16):
            expect(client.write(cluster * CLUSTER, load.contents[number]) == 0, "a write to another disk failed")
        expect(client.read(0, CLUSTER) == (0, load.contents[number]), "another disk lost what was written")
        client.close()
        remove(monitor, "block-export-del", id="other")
        remove(monitor, "blockdev-del", node_name="other")
        load.count(exports=2, disks=1)
        time.sleep(0.1)
    monitor.close()


class Watch:
    """Memory, threads and descriptors of a process, second by second."""

    def __init__(self, process, seconds):
        self.directory = pathlib.Path(f"/proc/{process}")
        self.seconds = seconds
        self.warm = time.monotonic() + min(WARM_UP, seconds / 2)
        self.samples = []  # RSS in KiB, threads, descriptors
        self.warm_samples = []

    def sample(self):
        status = dict(line.split(":", 1) for line in (self.directory / "status").read_text().splitlines())
        self.samples.append((int(status["VmRSS"].split()[0]), int(status["Threads"]), len(os.listdir(self.directory / "fd"))))
        if time.monotonic() >= self.warm:
            self.warm_samples.append(self.samples[-1])

    def report(self):
        """Prints the first quarter after the warm-up beside the last one; returns what is wrong."""
        quarter = len(self.warm_samples) // 4
        first, last = self.warm_samples[:quarter], self.warm_samples[-quarter:]
        wrong = []
        for index, name in enumerate(("RSS in KiB", "threads", "descriptors")):
            before, after = (statistics.median(each[index] for each in part) for part in (first, last))
            print(f"{name}: {before:.0f} after the warm-up, {after:.0f} at the end ({after / before - 1:+.2%}), "
                  f"at most {max(each[index] for each in self.samples)}")
            if index == 0 and self.seconds < LONG_ENOUGH:
                print(f"this run was too short to judge memory, which takes {LONG_ENOUGH} s")
                continue
            # Connections come and go, so single threads and descriptors may differ.
            if after > before * (1 + MOST_GROWTH) + (2 if index else 0):
                wrong.append(f"{name} grew from {before:.0f} to {after:.0f}")
        return wrong


def soak(arguments):
    quiet("dedup-img", "create", "-q", "-f", "qcow2", "-o", "dedup=sha256,cluster_size=4096", "disk.qcow2", str(DISK))
    quiet("dedup-img", "create", "-q", "-f", "qcow2", "-o", "dedup=sha256,cluster_size=4096", "other.qcow2", "16M")
    daemon = Daemon("disk.qcow2")
    load, watch = Load(arguments.seconds, arguments.seed), Watch(daemon.process.pid, arguments.seconds)
    guests = [Guest(load, number) for number in range(CLIENTS)]
    for guest in guests:
        load.start(guest.run)
    load.start(come_and_go, load, daemon)
    operator = pausing.PauseAndResume(daemon)
    while load.goes_on():
        time.sleep(min(1, arguments.seconds / 40))
        watch.sample()
        if len(watch.samples) % 60 == 0:
            print(f"{time.monotonic() - load.begin:.0f} s: {load.requests} requests, {load.exports} exports, "
                  f"{watch.samples[-1][0]} KiB", flush=True)
    for thread in load.threads:
        thread.join(120)
        expect(not thread.is_alive(), "somebody waits for ever")
    expect(load.failure is None, f"seed {load.seed}: {load.failure}")
    operator.stop()
    figures = pausing.wait_for_scan(daemon)
    pausing.stop_and_judge(daemon, "disk.qcow2")
    with open("copy.raw", "rb") as copy:
        for guest in guests:
            copy.seek(guest.first * CLUSTER)
            guest.expect_contents(0, copy.read(PART * CLUSTER))
    quiet("dedup-img", "check", "-f", "qcow2", "other.qcow2")
    print(f"{load.requests} requests, {operator.turns} pauses, {figures['scan-deduplicated-clusters']} clusters deduplicated by "
          f"scans, {figures['deduplicated-clusters']} by writes, {load.exports} exports and {load.disks} disks came and went; "
          "every cluster is as it was written")
    return watch.report()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("seconds", type=float, nargs="?", default=7200, help="default: two hours")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="default: the clock")
    arguments = parser.parse_args()
    os.environ["PATH"] = f"{arguments.build.resolve() / 'bin'}:{os.environ['PATH']}:/usr/sbin:/sbin"
    print(f"seed {arguments.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="soak-") as directory:
        os.chdir(directory)
        wrong = soak(arguments)
        os.chdir("/")
    for each in wrong:
        print("FAILED:", each)
    sys.exit(1 if wrong else 0)


main()
