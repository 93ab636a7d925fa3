#!/usr/bin/env python3
"""Runs every test of the given build directories and prints one line that counts them all.

The unit of the count is a GoogleTest case, a test program that is not GoogleTest, an iotest, or a fuzz target.
"""
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as xml
from collections import Counter

ROOT = pathlib.Path(__file__).resolve().parent.parent

# What the programs under test find: a sanitizer's report must fail the test, whatever the program exits with.
SANITIZER_OPTIONS = {
    # Without leaks: g++ 12's detector itself sometimes crashes in programs with threads ("Tracer caught signal 11").
    "ASAN_OPTIONS": "detect_leaks=0:detect_stack_use_after_return=1:strict_string_checks=1:abort_on_error=0:exitcode=99",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1:exitcode=99",
    "TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1:exitcode=99:"
                    f"suppressions={ROOT / 'tests' / 'thread-sanitizer.supp'}",
}


FUZZ_SECONDS = 60  # for each target, two at a time


def count_meson_tests(build: pathlib.Path) -> Counter:
    """Runs `meson test` and counts GoogleTest cases from what the test programs themselves write."""
    with tempfile.TemporaryDirectory(prefix="gtest-") as reports:
        environment = {**os.environ, **SANITIZER_OPTIONS, "GTEST_OUTPUT": f"xml:{reports}/"}
        run = subprocess.run(["meson", "test", "-C", build, "--print-errorlogs", "--no-rebuild",
                              "--timeout-multiplier", "3"],
                             env=environment)
        counts, reported = Counter(), set()
        for path in pathlib.Path(reports).glob("*.xml"):
            suite = xml.parse(path).getroot()
            total, failed = int(suite.get("tests")), int(suite.get("failures")) + int(suite.get("errors"))
            skipped = sum(1 for case in suite.iter("testcase") if case.find("skipped") is not None)
            disabled = int(suite.get("disabled"))
            counts.update(passed=total - failed - skipped - disabled, failed=failed, skipped=skipped + disabled)
            reported.add(path.stem)
    log = build / "meson-logs" / "testlog.json"
    failed_programs = 0
    for line in log.read_text().splitlines():
        test = json.loads(line)
        outcome = {"OK": "passed", "EXPECTEDFAIL": "passed", "SKIP": "skipped"}.get(test["result"], "failed")
        failed_programs += outcome == "failed"
        if pathlib.Path(test["command"][0]).name not in reported:
            counts[outcome] += 1  # not GoogleTest, or it died before its report
    # A program whose cases all passed and that failed all the same, for example for a leak found at its end.
    counts["failed"] = max(counts["failed"], failed_programs, 1 if run.returncode else 0)
    return counts


def count_iotests(build: pathlib.Path) -> Counter:
    with tempfile.NamedTemporaryFile(prefix="iotests-", suffix=".json") as summary:
        subprocess.run([sys.executable, ROOT / "iotests" / "check", "--build", build, "--summary", summary.name, "-d"],
                       env={**os.environ, **SANITIZER_OPTIONS})
        text = pathlib.Path(summary.name).read_text()
    return Counter(json.loads(text)) if text else Counter(failed=1)


def count_fuzz_targets(build: pathlib.Path) -> Counter:
    """A few seconds of each target: enough to see that all seeds and all former findings pass.
    Always the same random inputs: what a change did not break must not fail it."""
    run = subprocess.run([sys.executable, ROOT / "tests" / "fuzz" / "run.py", "--seed", "1", build,
                          str(FUZZ_SECONDS)],
                         stdout=subprocess.PIPE)
    text = run.stdout.decode(errors="replace")
    print(text, end="", flush=True)
    counted = re.search(r"^fuzz: (\d+) passed, (\d+) failed$", text, re.MULTILINE)
    return Counter(passed=int(counted[1]), failed=int(counted[2])) if counted else Counter(failed=1)


def main() -> int:
    # Tests send these signals; a caller that works in the background may have left them ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)
    total, lines = Counter(), []
    for directory in sys.argv[1:]:
        build = ROOT / directory
        kinds = [("unit tests", count_meson_tests), ("iotests", count_iotests)]
        if directory == "build-fuzz":
            kinds = [("fuzz targets", count_fuzz_targets)]
        for kind, count in kinds:
            print(f"=== {directory}: {kind}", flush=True)
            counts = count(build)
            total.update(counts)
            lines.append(f"{directory}, {kind}: {counts['passed']} passed, {counts['failed']} failed, "
                         f"{counts['skipped']} skipped")
    print("===")
    print("\n".join(lines))
    print(f"{total['passed']} passed, {total['failed']} failed, {total['skipped']} skipped", flush=True)
    return 1 if total["failed"] or not total["passed"] else 0


if __name__ == "__main__":
    sys.exit(main())
