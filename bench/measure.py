"""Shared by the measuring programs: running commands, making data, and printing figures with their bounds."""
import argparse
import json
import pathlib
import random
import subprocess
import sys
import time

MIB = 1 << 20


def run(*command):
    finished = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if finished.returncode:
        sys.exit(f"{pathlib.Path(sys.argv[0]).name}: {' '.join(map(str, command))}: exit status {finished.returncode}\n"
                 f"{finished.stdout}{finished.stderr}")
    return finished.stdout


def timed(*command):
    began = time.monotonic()
    run(*command)
    return time.monotonic() - began


def unique_data(path, megabytes):
    generator = random.Random(1)
    with open(path, "wb") as out:
        for _ in range(megabytes):
            out.write(generator.randbytes(MIB))


def options(description, directory):
    """Returns a parser with the options of every measuring program."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=pathlib.Path, required=True, help="where the programs are: build/bin")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--directory", default=directory, help=f"where images are created (default: {directory})")
    return parser


def fio(uri, *arguments):
    """Runs a job of fio over NBD and returns its JSON report."""
    output = run("fio", "--name=load", "--ioengine=nbd", f"--uri={uri}", "--output-format=json", *arguments)
    # The nbd engine of fio prints further lines before the JSON.
    return json.loads(output[output.index("{\n"):])["jobs"][0]


def fio_writes(uri, seconds, *more):
    """Returns random writes of 4 KiB per second over NBD."""
    return fio(uri, "--rw=randwrite", "--bs=4k", "--iodepth=8", "--time_based", f"--runtime={seconds}", *more)["write"]["iops"]


def print_results(results):
    """Prints `results`: (name, figure, relation or None, bound). Returns the exit status: 1 if a figure misses its bound."""
    kept = True
    for name, figure, relation, bound in results:
        if relation is None:
            print(f"{name:80} {figure:7.3f}")
            continue
        holds = figure >= bound if relation == ">=" else figure <= bound
        kept = kept and holds
        print(f"{name:80} {figure:7.3f}   {relation} {bound:<5} {'ok' if holds else 'MISSED'}")
    return 0 if kept else 1
