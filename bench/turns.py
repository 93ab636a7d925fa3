"""Measures sides in turns, load by load: ratios of their speeds as a table, as a chart and with their bounds."""
import os
import pathlib
import statistics
import sys
import tempfile
import typing

from measure import options, print_results, run
from sides import CACHES, OFF, OURS, PAUSED, PEERS, SIDES, STOCK_64K, STOCK_RAW

COLORS = {OURS: "#2a7", PAUSED: "#9c8", OFF: "#888", STOCK_RAW: "#69c"}


class Bound(typing.NamedTuple):
    """`side` must be at least `least` times as fast as `peer`."""
    side: str
    peer: str
    least: float
    caches: tuple = CACHES


class Ratio(typing.NamedTuple):
    """The speed of a side relative to its peer, for each round."""
    median: float
    least: float
    most: float
    bound: float | None


def speeds_by_turns(sides, rounds, speed_of):
    speeds = {side: [] for side in sides}
    for _ in range(rounds):
        for side in sides:
            speeds[side].append(speed_of(side))
    return speeds


def ratios_of(speeds, bounds):
    """Returns {peer: {side: Ratio}}. The ratios of a peer to itself are those of its speeds to their median: the noise."""
    asked = {(bound.side, bound.peer): bound.least for bound in bounds}
    found = {}
    for peer in (side for side in speeds if side in PEERS):
        usual = statistics.median(speeds[peer])
        found[peer] = {peer: Ratio(1.0, min(speeds[peer]) / usual, max(speeds[peer]) / usual, None)}
        for side in (side for side in speeds if side not in PEERS):
            each = [own / stock for own, stock in zip(speeds[side], speeds[peer])]
            found[peer][side] = Ratio(statistics.median(each), min(each), max(each), asked.get((side, peer)))
    return found


def cell(ratio):
    """Returns the text of a ratio, bold if it misses its bound."""
    if ratio is None:
        return ""
    spread = f"({ratio.least:.2f} to {ratio.most:.2f})"
    if ratio.bound is None:
        return f"{ratio.median:.2f} {spread}"
    mark = "" if ratio.median >= ratio.bound else "**"
    return f"{mark}{ratio.median:.2f}{mark} {spread}, asked {ratio.bound}"


def table(loads):
    compared = {side for peers in loads.values() for sides in peers.values() for side in sides}
    columns = [side for side in SIDES if side in compared and side not in PEERS]
    yield f"| load | against | noise | {' | '.join(columns)} |\n|---|---|---|{'---|' * len(columns)}\n"
    for load, peers in loads.items():
        for peer, sides in peers.items():
            noise = f"{sides[peer].least:.2f} to {sides[peer].most:.2f}"
            yield f"| {load} | {peer} | {noise} | {' | '.join(cell(sides.get(side)) for side in columns)} |\n"


def plot(loads, cache):
    """Writes bars of the ratios to stock's 64 KiB clusters."""
    rows = [(load, side, ratio) for load, peers in loads.items() for side, ratio in peers[STOCK_64K].items() if side in COLORS]
    width, height, left = 900, 18 * len(rows) + 40, 370
    scale = (width - left - 60) / max(4.0, max(ratio.median for _, _, ratio in rows))
    yield f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" font-size="12">\n'
    yield (f'<text x="4" y="16">cache={cache}: speed to stock qcow2 of 64 KiB clusters '
           f'(black line: the same speed; red: what is asked)</text>\n')
    for number, (load, side, ratio) in enumerate(rows):
        y, end = 30 + 18 * number, left + ratio.median * scale
        yield f'<text x="4" y="{y + 12}">{load}: {side}</text>\n'
        yield f'<rect x="{left}" y="{y + 2}" width="{end - left:.1f}" height="13" fill="{COLORS[side]}"/>\n'
        yield f'<text x="{end + 4:.1f}" y="{y + 12}">{ratio.median:.2f}</text>\n'
        if ratio.bound:
            yield f'<rect x="{left + ratio.bound * scale - 1:.1f}" y="{y}" width="2" height="17" fill="#d22"/>\n'
    yield f'<line x1="{left + scale:.1f}" x2="{left + scale:.1f}" y1="26" y2="{height}" stroke="black"/>\n</svg>\n'


def bounded(loads):
    for load, peers in loads.items():
        for peer, sides in peers.items():
            for side, ratio in sides.items():
                if ratio.bound:
                    yield f"{load}: {side}, to {peer}", ratio.median, ">=", ratio.bound


def warn_of_discard(directory):
    """Warns if the file system is mounted with the option discard. On a thin disk, first writes take up to twice as long as
    later ones, and a discard makes the next write a first one. So speeds without the page cache depend on the location of
    an image."""
    if "discard" in run("findmnt", "-n", "-o", "OPTIONS", "--target", directory).strip().split(","):
        print(f"{directory} is mounted with discard: on a thin disk speeds vary with the place of an image; "
              "mount -o remount,nodiscard makes them steady", file=sys.stderr)


def main(description, loads, speed_of, prepare=None, directories=None, add_options=None, **defaults):
    """Runs a program that measures `loads`, {name: object with `sides` and `bounds`}. Returns its exit status.

    speed_of(load, side, arguments) returns MiB per second. It is called in an empty directory in which prepare(arguments)
    was called before. `directories`: the parent of that directory by kind of cache. add_options(parser) adds options of the
    program. `defaults`: defaults of options.
    """
    directories = directories or dict.fromkeys(CACHES, "/var/tmp")
    parser = options(description, " or ".join(sorted(set(directories.values()))))
    parser.add_argument("--size", type=int, default=128, help="MiB of data (default: %(default)s)")
    parser.add_argument("--cache", choices=CACHES, default="none", help="(default: %(default)s)")
    parser.add_argument("--load", action="append", choices=loads, help="measure only this load; may be repeated")
    parser.add_argument("--markdown", type=pathlib.Path)
    parser.add_argument("--plot", type=pathlib.Path)
    if add_options:
        add_options(parser)
    parser.set_defaults(directory=None, **defaults)
    arguments = parser.parse_args()
    arguments.bin = arguments.bin.resolve()
    os.environ["PATH"] = f"{arguments.bin}:{os.environ['PATH']}"
    start, found = pathlib.Path.cwd(), {}
    with tempfile.TemporaryDirectory(prefix="dedup-turns-", dir=arguments.directory or directories[arguments.cache]) as name:
        os.chdir(name)
        if arguments.cache == "none":
            warn_of_discard(name)
        if prepare:
            prepare(arguments)
        for load in arguments.load or loads:
            speeds = speeds_by_turns(loads[load].sides, arguments.rounds, lambda side: speed_of(loads[load], side, arguments))
            found[load] = ratios_of(speeds, (bound for bound in loads[load].bounds if arguments.cache in bound.caches))
            print(f"{load:44}", *(f"{side}: {statistics.median(each):.0f}," for side, each in speeds.items()), "MiB/s",
                  file=sys.stderr)
        os.chdir(start)
    text = "".join(table(found))
    print(text)
    if arguments.markdown:
        arguments.markdown.write_text(text)
    if arguments.plot:
        arguments.plot.write_text("".join(plot(found, arguments.cache)))
    return print_results(bounded(found))
