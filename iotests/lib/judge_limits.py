#!/usr/bin/env python3
"""Runs a command that must fail well: status 1, a message under its own name, one second of CPU time, 100 MB.

usage: judge_limits.py COMMAND...
"""
import os
import resource
import subprocess
import sys

# Under a sanitizer, time and memory are the sanitizer's own; only the failure itself is judged then.
SANITIZED = os.environ.get("IOTESTS_SANITIZER", "none") != "none"

command = sys.argv[1:]
run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
try:
    out, error = run.communicate(timeout=20)
except subprocess.TimeoutExpired:
    run.kill()
    sys.exit(f"still running after 20 s: {command}")
usage = resource.getrusage(resource.RUSAGE_CHILDREN)
seconds, megabytes = usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024
text = (out + error).decode(errors="backslashreplace")
complaints = []
if run.returncode != 1:
    complaints.append(f"exit status {run.returncode}, not 1")
if not any(line.startswith((os.path.basename(command[0]) + ": ", "read failed", "write failed"))
           for line in text.splitlines()):
    complaints.append("no message")
if "Sanitizer" in text or "runtime error" in text:
    complaints.append("a sanitizer complains")
if not SANITIZED and seconds > 1:
    complaints.append(f"took {seconds:.1f} s")
if not SANITIZED and megabytes > 100:
    complaints.append(f"used {megabytes:.0f} MB")
if complaints:
    sys.exit(f"{', '.join(complaints)}\n{text[-2000:]}")
