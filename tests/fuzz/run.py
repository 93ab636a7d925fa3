#!/usr/bin/env python3
"""Runs the libFuzzer targets of a build directory, two at a time, and says what came of each.

With --seed the inputs are the same in every run that begins with the same corpus, as far as its time lets it go.

What a target learns stays in BUILD-DIRECTORY/corpus and is where the next run begins. An input that a target does not
survive is left in BUILD-DIRECTORY/findings, and the command that repeats it is printed.
"""
import argparse
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
TARGETS = ["fuzz-open", "fuzz-check", "fuzz-l2-refcount", "fuzz-dedup-table", "fuzz-qmp", "fuzz-options"]
# Time for one input, and memory: of the process (the sanitizer's own included), and of one allocation, of which the
# largest that an image may cause is a table of 32 MiB.
BOUNDS = ["-timeout=25", "-rss_limit_mb=1500", "-malloc_limit_mb=256"]
# Images need room; texts are more varied if they are short.
LONGEST_INPUT = {"fuzz-open": 262144, "fuzz-check": 262144, "fuzz-l2-refcount": 290, "fuzz-dedup-table": 290}
ENVIRONMENT = {
    "ASAN_OPTIONS": "quarantine_size_mb=32:detect_stack_use_after_return=1:strict_string_checks=1",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
}


def run(build, target, seconds, seed):
    """(whether nothing was found, how many inputs were tried, what to show)"""
    program = build / "tests" / "fuzz" / target
    learned, findings = build / "corpus" / target, build / "findings"
    learned.mkdir(parents=True, exist_ok=True)
    findings.mkdir(exist_ok=True)
    inputs = [learned, build / "seeds" / target, HERE / "regressions" / target]
    # A process that ends by itself after its time still finishes the input it is at; 120 seconds more is a hang.
    command = [program, *BOUNDS, f"-seed={seed}", f"-max_total_time={seconds}", f"-max_len={LONGEST_INPUT.get(target, 4096)}",
               f"-artifact_prefix={findings}/{target}-", "-print_final_stats=1", *(path for path in inputs if path.is_dir())]
    try:
        outcome = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=seconds + 120,
                                 env={**os.environ, **ENVIRONMENT})
    except subprocess.TimeoutExpired as hung:
        return False, 0, f"{target} hangs\n" + (hung.stdout or b"").decode(errors="replace")[-3000:]
    text = outcome.stdout.decode(errors="replace")
    tried = re.search(r"stat::number_of_executed_units:\s*(\d+)", text)
    tried = int(tried.group(1)) if tried else 0
    if outcome.returncode == 0 and tried:
        return True, tried, ""
    written = re.search(r"Test unit written to (\S+)", text)
    repeat = f"\nto repeat it: {program} {written.group(1)}" if written else ""
    return False, tried, text[-8000:] + repeat


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0, help="0: another one in each run")
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("seconds", type=int, nargs="?", default=60)
    parser.add_argument("targets", nargs="*", choices=[*TARGETS, []], metavar="TARGET")
    chosen = parser.parse_args()
    build, seconds, targets = chosen.build.resolve(), chosen.seconds, chosen.targets or TARGETS
    subprocess.run([build / "tests" / "fuzz" / "make-seeds", build / "seeds"], check=True)
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(2) as two_at_a_time:
        runs = {two_at_a_time.submit(run, build, target, seconds, chosen.seed): target for target in targets}
        for done in concurrent.futures.as_completed(runs):
            fine, tried, text = done.result()
            failed += not fine
            print(f"{runs[done]}: {tried} inputs in {seconds} s, {'no finding' if fine else 'FINDING'}", flush=True)
            if text:
                print(text, flush=True)
    print(f"fuzz: {len(targets) - failed} passed, {failed} failed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
