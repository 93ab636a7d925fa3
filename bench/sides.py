"""Who keeps a disk image: stock QEMU, ours and nbdkit. Each makes one and serves it over NBD by the same calls.

Images and sockets are in the current directory. `cache` is "none", where nobody uses the host's page cache (O_DIRECT), or
"writeback", where everybody does. nbdkit's file plugin always does: its own cache=none only drops pages after they were
used. So what disk, NBD and client leave to anybody without page cache is shown by raw files, by stock QEMU's server and by
ours, whose space is allocated before: making a file longer with every request is slow on some file systems.

Our daemon serves all requests of a connection at once (parallel=on), as it does by default with nbdkit from 1.34 on; "in turn"
is what it does by default with an older one, as Debian 12 has. With a newer one both are the same.
"""
import pathlib
import subprocess
import sys
import time
import typing

from lib.daemon import URI, Daemon
from measure import run, timed

CACHES = ("none", "writeback")
IMAGE = pathlib.Path("image")
SOCKET = pathlib.Path("nbd.sock")


class Side(typing.NamedTuple):
    whose: str  # "stock", "ours" or "nbdkit"
    kind: str  # the image's format, or nbdkit's plugin
    create: str = ""  # options of create, unless nbdkit serves it
    in_turn: bool = False  # ours: one request of a connection at a time
    paused: bool = False  # ours: deduplication is


STOCK_64K, STOCK_64K_EXACT = "stock 64k", "stock 64k, lazy off"
STOCK_4K, STOCK_4K_EXACT = "stock 4k", "stock 4k, lazy off"
OURS, PAUSED, OFF = "dedup", "paused", "off"
OURS_IN_TURN, PAUSED_IN_TURN, OFF_IN_TURN = "dedup, in turn", "paused, in turn", "off, in turn"
STOCK_RAW, OURS_RAW, RAW, NO_DISK = "raw, stock", "raw, ours", "raw, nbdkit", "no disk"

DEDUP = Side("ours", "qcow2", "cluster_size=4k,dedup=sha256")
PLAIN = Side("ours", "qcow2", "cluster_size=4k,lazy_refcounts=on")

SIDES = {
    STOCK_64K: Side("stock", "qcow2", "cluster_size=64k,lazy_refcounts=on"),
    STOCK_64K_EXACT: Side("stock", "qcow2", "cluster_size=64k,lazy_refcounts=off"),
    STOCK_4K: Side("stock", "qcow2", "cluster_size=4k,lazy_refcounts=on"),
    STOCK_4K_EXACT: Side("stock", "qcow2", "cluster_size=4k,lazy_refcounts=off"),
    OURS: DEDUP,
    PAUSED: DEDUP._replace(paused=True),
    OFF: PLAIN,
    OURS_IN_TURN: DEDUP._replace(in_turn=True),
    PAUSED_IN_TURN: DEDUP._replace(in_turn=True, paused=True),
    OFF_IN_TURN: PLAIN._replace(in_turn=True),
    STOCK_RAW: Side("stock", "raw", "preallocation=falloc"),
    OURS_RAW: Side("ours", "raw", "preallocation=falloc"),
    RAW: Side("nbdkit", "file"),
    NO_DISK: Side("nbdkit", "null"),
}
IN_TURN = (OURS_IN_TURN, PAUSED_IN_TURN, OFF_IN_TURN)
PEERS = (STOCK_64K, STOCK_64K_EXACT, STOCK_4K, STOCK_4K_EXACT)


def program(side):
    return "dedup-img" if SIDES[side].whose == "ours" else "qemu-img"


def new_image(side, size):
    """`size` in bytes."""
    IMAGE.unlink(missing_ok=True)
    made = SIDES[side]
    if made.whose == "nbdkit":
        run("truncate", "-s", size, IMAGE)
    else:
        run(program(side), "create", "-q", "-f", made.kind, "-o", made.create, IMAGE, size)


def convert_into(side, source, cache):
    """The seconds of converting a raw file into a new image."""
    IMAGE.unlink(missing_ok=True)
    return timed(program(side), "convert", "-t", cache, "-f", "raw", "-O", SIDES[side].kind, "-o", SIDES[side].create, source, IMAGE)


def cache_options(cache):
    """What our node's options are continued by."""
    return ",cache.direct=on,file.cache.direct=on" if cache == "none" else ""


class OtherServer:
    """Somebody else's server of an export "disk" at URI, by the command that runs it."""

    def __init__(self, *command):
        SOCKET.unlink(missing_ok=True)
        self.process = subprocess.Popen(command)
        while subprocess.run(["nbdinfo", "--size", URI], capture_output=True).returncode:
            if self.process.poll() is not None:
                sys.exit(f"{command[0]} ended at its start")
            time.sleep(0.02)

    def stop(self):
        self.process.terminate()
        self.process.wait()


def serve(side, cache):
    """The image's server, whose stop() ends it."""
    whose, kind, _, in_turn, paused = SIDES[side]
    if whose == "stock":
        return OtherServer("qemu-nbd", "-t", "-k", SOCKET.absolute(), "-f", kind, f"--cache={cache}", "--aio=io_uring", "-e", "8",
                           "-x", "disk", IMAGE)
    if kind == "null":
        # Without the filter clients would be told that there is nothing to read.
        return OtherServer("nbdkit", "-f", "-U", SOCKET, "--filter=noextents", "null", str(IMAGE.stat().st_size))
    if whose == "nbdkit":
        return OtherServer("nbdkit", "-f", "-U", SOCKET, kind, IMAGE)
    daemon = Daemon(IMAGE, blockdev_options=cache_options(cache), server_options="" if in_turn else ",parallel=on", driver=kind)
    if paused:
        daemon.qmp().command("block-pause-dedup", device="disk")
    return daemon
