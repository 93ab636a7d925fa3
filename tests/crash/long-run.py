#!/usr/bin/env python3
"""Power cuts and kills, for as long as you like: every state is another one, and each can be had again by its seed.

Two things run side by side until the time is over: test-crash with one seed after another, which enumerates power cuts
and judges each state after every recovery of ours (some states after those of stock QEMU), and real processes that are
killed (test-crash-kill, and the iotests whose names begin with "crash-"). The first violation ends the run with the
command that repeats it.
"""
import argparse
import collections
import os
import pathlib
import re
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
STATES_OF_A_SEED = 4000
KILLS_OF_A_SEED = 25  # for each of the images of test-crash-kill
KILLS_OF_A_TEST = 10  # of each iotest of that kind


class Run:
    def __init__(self, build, seconds, first_seed):
        self.build, self.first_seed = build, first_seed
        self.end = time.monotonic() + seconds
        self.lock = threading.Lock()
        self.states = self.kills = self.daemon_kills = self.power_cut_seeds = self.kill_seeds = 0
        self.recoveries = collections.Counter()
        self.failures = []

    def goes_on(self):
        return time.monotonic() < self.end and not self.failures

    def execute(self, command, **environment):
        """The output of a command; a failure ends the run."""
        done = subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace")
        if done.returncode:
            with self.lock:
                repeat = " ".join([*(f"{key}={value}" for key, value in environment.items()), *map(str, command)])
                self.failures.append(f"{done.stdout[-6000:]}\nexit status {done.returncode} of: {repeat}")
        return done.stdout

    def cut_power(self):
        while self.goes_on():
            seed = self.first_seed + self.power_cut_seeds
            output = self.execute([self.build / "tests/crash/test-crash"], CRASH_SEED=str(seed),
                                  CRASH_STATES=str(STATES_OF_A_SEED), CRASH_EVERY="1")
            self.states += sum(map(int, re.findall(r"(\d+) judged$", output, re.MULTILINE)))
            for count, recovery in re.findall(r"^ +(\d+) after (.+)$", output, re.MULTILINE):
                self.recoveries[recovery] += int(count)
            self.power_cut_seeds += 1
            self.tell()

    def kill(self):
        while self.goes_on():
            seed = self.first_seed + self.kill_seeds
            output = self.execute([self.build / "tests/crash/test-crash-kill"], CRASH_SEED=str(seed),
                                  CRASH_ROUNDS=str(KILLS_OF_A_SEED))
            self.kills += sum(map(int, re.findall(r"(\d+) rounds", output)))
            if self.goes_on():
                output = self.execute([sys.executable, "iotests/check", "--build", self.build, "-d", "crash-"],
                                      IOTESTS_SEED=str(seed))
                self.kills += KILLS_OF_A_TEST * len(re.findall(r"^passed  crash-of-dedup-io", output, re.MULTILINE))
                self.daemon_kills += KILLS_OF_A_TEST * len(re.findall(r"^passed  crash-of-the-daemon", output, re.MULTILINE))
            self.kill_seeds += 1
            self.tell()

    def tell(self):
        with self.lock:
            print(f"{self.states} states of {self.power_cut_seeds} seeds judged, {self.kills} kills of programs and "
                  f"{self.daemon_kills} of the daemon with {self.kill_seeds} seeds, "
                  f"{len(self.failures)} violations", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("seconds", type=float, nargs="?", default=3600, help="default: an hour")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="the first one; default: the clock")
    arguments = parser.parse_args()
    run = Run(arguments.build.resolve(), arguments.seconds, arguments.seed)
    print(f"seeds from {run.first_seed} on")
    threads = [threading.Thread(target=work) for work in (run.cut_power, run.kill)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for recovery, count in run.recoveries.items():
        print(f"{count:8} after {recovery}")
    print(*run.failures, sep="\n")
    sys.exit(1 if run.failures else 0)


main()
