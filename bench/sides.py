"""The sides of a comparison: stock QEMU, ours and nbdkit. Each creates an image and serves it over NBD.

Images and sockets are in the current directory. `cache` is "none": all sides bypass the host's page cache (O_DIRECT),
or "writeback": all use it. nbdkit's file plugin always uses it, because its cache=none only drops pages after their
use. So without the page cache the controls for disk, NBD and client are raw files, served by stock QEMU and by ours.
Their space is allocated before, because extending a file with every request is slow on some file systems.

Our daemon serves all requests of a connection in parallel (parallel=on), which is its default with nbdkit from 1.34 on.
"In turn" is its default with an older nbdkit, as in Debian 12. With a newer nbdkit both are the same.
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
    kind: str  # format of the image, or plugin of nbdkit
    create: str = ""  # options of create; not for nbdkit
    in_turn: bool = False  # ours: one request of a connection at a time
    paused: bool = False  # ours: deduplication is paused


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
    """Creates the image of the side. `size` is in bytes."""
    IMAGE.unlink(missing_ok=True)
    made = SIDES[side]
    if made.whose == "nbdkit":
        run("truncate", "-s", size, IMAGE)
    else:
        run(program(side), "create", "-q", "-f", made.kind, "-o", made.create, IMAGE, size)


def convert_into(side, source, cache):
    """Converts a raw file into a new image and returns the seconds."""
    IMAGE.unlink(missing_ok=True)
    return timed(program(side), "convert", "-t", cache, "-f", "raw", "-O", SIDES[side].kind, "-o", SIDES[side].create, source, IMAGE)


def cache_options(cache):
    """Returns the end of the node options of our side."""
    return ",cache.direct=on,file.cache.direct=on" if cache == "none" else ""


class OtherServer:
    """A server of another project with an export "disk" at URI, started by a command."""

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
    """Starts the server of the side's image and returns it. Its stop() ends it."""
    whose, kind, _, in_turn, paused = SIDES[side]
    if whose == "stock":
        return OtherServer("qemu-nbd", "-t", "-k", SOCKET.absolute(), "-f", kind, f"--cache={cache}", "--aio=io_uring", "-e", "8",
                           "-x", "disk", IMAGE)
    if kind == "null":
        # Without the filter, the export reports holes, and clients read nothing.
        return OtherServer("nbdkit", "-f", "-U", SOCKET, "--filter=noextents", "null", str(IMAGE.stat().st_size))
    if whose == "nbdkit":
        return OtherServer("nbdkit", "-f", "-U", SOCKET, kind, IMAGE)
    daemon = Daemon(IMAGE, blockdev_options=cache_options(cache), server_options="" if in_turn else ",parallel=on", driver=kind)
    if paused:
        daemon.qmp().command("block-pause-dedup", device="disk")
    return daemon
