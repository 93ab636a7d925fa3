"""What the tests of the daemon share: a directory for each test, daemons, a raw NBD client."""
import json
import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "iotests" / "lib"))
from qmp import QmpClient, QmpError  # noqa: E402,F401

BUILD = pathlib.Path(os.environ["BUILD_DIR"])
DAEMON = BUILD / "bin" / "dedup-storage-daemon"
PLUGIN = BUILD / "block" / "nbdkit-qcow2-dedup-plugin.so"
SANITIZED = bool(os.environ.get("SANITIZED"))
MIB = 1 << 20


def disk(name="d", filename="disk.img", extra=""):
    return f"--blockdev=driver=raw,node-name={name},file.driver=file,file.filename={filename}{extra}"


def export(identity="e", node="d", name="disk", writable="on", extra=""):
    return f"--export=type=nbd,id={identity},node-name={node},name={name},writable={writable}{extra}"


NBD = "--nbd-server=addr.type=unix,addr.path=nbd.sock"
QMP = ("--chardev=socket,path=qmp.sock,server=on,wait=off,id=q", "--monitor=chardev=q")


def uri(name="disk"):
    return f"nbd+unix:///{name}?socket=nbd.sock"


def run(*command, **options):
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=60, **options)


class DaemonTest(unittest.TestCase):
    """Each test runs in an empty directory of its own; daemons it started are killed at its end."""

    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="daemon-test-")
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(self.directory)

    def make_disk(self, name="disk.img", size=16 * MIB, data=b""):
        with open(name, "wb") as file:
            file.truncate(size)
            file.write(data)

    def start(self, *options):
        """A daemon that is ready: its pid file is there."""
        log = open("daemon.log", "w+")
        self.addCleanup(log.close)
        process = subprocess.Popen([DAEMON, *options, "--pidfile=daemon.pid"], stdin=subprocess.DEVNULL, stdout=log,
                                   stderr=subprocess.STDOUT)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        deadline = time.monotonic() + 30
        while not os.path.exists("daemon.pid"):
            self.assertIsNone(process.poll(), "the daemon ended: " + pathlib.Path("daemon.log").read_text())
            self.assertLess(time.monotonic(), deadline, "the daemon does not get ready")
            time.sleep(0.01)
        return process

    def start_fails(self, *options):
        """What a daemon says that cannot start."""
        started = run(DAEMON, *options)
        self.assertEqual(started.returncode, 1, started.stderr)
        return started.stderr

    def expect_clean_end(self, process, timeout=30):
        self.assertEqual(process.wait(timeout), 0, pathlib.Path("daemon.log").read_text())
        for left in ("daemon.pid", "nbd.sock", "qmp.sock"):
            self.assertFalse(os.path.exists(left), left + " was left behind")

    def stop(self, process):
        process.send_signal(signal.SIGTERM)
        self.expect_clean_end(process)

    def succeeds(self, *command, **options):
        done = run(*command, **options)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout


class Monitor(QmpClient):
    """A client on qmp.sock that may also give an argument called "name"."""

    def __init__(self):
        super().__init__("qmp.sock")

    def execute(self, command, arguments):
        self.send_text(json.dumps({"execute": command, "arguments": arguments}))
        reply = self.receive_reply()
        if "error" in reply:
            raise QmpError(reply["error"])
        return reply["return"]

    def __del__(self):
        self.close()


class NbdClient:
    """Speaks the protocol itself, so that a test can send many requests and vanish."""

    READ, WRITE, FLUSH = 0, 1, 3

    def __init__(self, path="nbd.sock", name="disk"):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(30)
        self.socket.connect(path)
        self.handle = 0
        self.receive(18)
        self.socket.sendall(struct.pack(">I", 3))
        data = struct.pack(">I", len(name)) + name.encode() + struct.pack(">H", 0)
        self.socket.sendall(struct.pack(">8sII", b"IHAVEOPT", 7, len(data)) + data)
        while True:
            _magic, _option, kind, length = struct.unpack(">QIII", self.receive(20))
            reply = self.receive(length)
            if kind & 0x80000000:
                raise OSError(f"the server refused export '{name}': {reply.decode(errors='replace')}")
            if kind == 1:
                return
            if struct.unpack(">H", reply[:2])[0] == 0:
                self.size, self.flags = struct.unpack(">QH", reply[2:12])

    def receive(self, count):
        data = bytearray()
        while len(data) < count:
            piece = self.socket.recv(count - len(data))
            if not piece:
                raise EOFError("the server closed the connection")
            data += piece
        return bytes(data)

    def send(self, command, offset, length, data=b""):
        self.handle += 1
        self.socket.sendall(struct.pack(">IHHQQI", 0x25609513, 0, command, self.handle, offset, length) + data)

    def reply(self, length=0):
        """The errno value of the next answer, and its data."""
        _magic, error, _handle = struct.unpack(">IIQ", self.receive(16))
        return error, self.receive(length) if not error else b""

    def read(self, offset, length):
        self.send(self.READ, offset, length)
        return self.reply(length)

    def write(self, offset, data):
        self.send(self.WRITE, offset, len(data), data)
        return self.reply()[0]

    def flush(self):
        self.send(self.FLUSH, 0, 0)
        return self.reply()[0]

    def close(self):
        self.socket.close()

    def __del__(self):
        self.close()
