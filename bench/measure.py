"""What the measuring programs share: running commands, making data, and printing figures beside their bounds."""
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
    """The options that every measuring program has."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=pathlib.Path, required=True, help="where the programs are: build/bin")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--directory", default=directory, help=f"where images are made (default: {directory})")
    return parser


def fio(uri, *arguments):
    """What fio's JSON says of its job over NBD."""
    output = run("fio", "--name=load", "--ioengine=nbd", f"--uri={uri}", "--output-format=json", *arguments)
    # fio's nbd engine writes lines of its own before the JSON.
    return json.loads(output[output.index("{\n"):])["jobs"][0]


def fio_writes(uri, seconds, *more):
    """Random writes of 4 KiB over NBD; operations a second."""
    return fio(uri, "--rw=randwrite", "--bs=4k", "--iodepth=8", "--time_based", f"--runtime={seconds}", *more)["write"]["iops"]


def print_results(results):
    """`results`: (name, figure, relation or None, bound). Returns the exit status: 1 if a bound was not kept."""
    kept = True
    for name, figure, relation, bound in results:
        if relation is None:
            print(f"{name:80} {figure:7.3f}")
            continue
        holds = figure >= bound if relation == ">=" else figure <= bound
        kept = kept and holds
        print(f"{name:80} {figure:7.3f}   {relation} {bound:<5} {'ok' if holds else 'MISSED'}")
    return 0 if kept else 1
