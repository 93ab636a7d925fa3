"""The base of the daemon's tests: a directory for each test, and daemons in it. Needs BUILD_DIR in the environment."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

from lib.qmp import QmpClient, QmpError

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
    """Each test runs in an empty directory of its own. The daemons that it started are killed at its end."""

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
        """Starts a daemon and returns its process when it is ready, that is, when its pid file exists."""
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
        """Starts a daemon that must fail to start, and returns its messages."""
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
    """A client of qmp.sock whose commands may have an argument "name"."""

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
