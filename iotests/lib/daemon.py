"""dedup-storage-daemon for tests in Python: start, stop, kill."""
import os
import signal
import subprocess
import time

from lib.qmp import QmpClient, QmpError

URI = "nbd+unix:///disk?socket=nbd.sock"


def fail(what):
    raise SystemExit(f"FAILED: {what}")


def quiet(*command, **options):
    """Runs a command that must succeed; returns its standard output."""
    run = subprocess.run(command, capture_output=True, text=True, **options)
    if run.returncode:
        fail(f"exit status {run.returncode} of {' '.join(command)}\n{run.stdout[-2000:]}{run.stderr[-2000:]}")
    return run.stdout


def remove(client, command, **arguments):
    """Runs a QMP command that is refused as long as the server has not noticed that an NBD client has gone."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return client.command(command, **arguments)
        except QmpError as error:
            if time.monotonic() > deadline:
                fail(f"{command} {arguments} is still refused: {error}")
            time.sleep(0.02)


class Daemon:
    """Serves `image` as export "disk" on nbd.sock, with QMP on qmp.sock; `preexec` and `prefix`: before it, in its process.

    A daemon that answers no client within `patience` seconds is killed, and the test fails.
    """

    def __init__(self, image, blockdev_options="", options=(), server_options="", driver="qcow2", preexec=None, prefix=(),
                 patience=60):
        for path in ("nbd.sock", "qmp.sock"):
            if os.path.exists(path):
                os.unlink(path)
        self.log = open("daemon.log", "w+")
        self.process = subprocess.Popen(
            [*prefix, "dedup-storage-daemon",
             "--blockdev", f"driver={driver},node-name=disk,file.driver=file,file.filename={image}{blockdev_options}",
             "--nbd-server", f"addr.type=unix,addr.path=nbd.sock{server_options}",
             "--export", "type=nbd,id=disk,node-name=disk,name=disk,writable=on",
             "--chardev", "socket,path=qmp.sock,server=on,wait=off,id=qmp", "--monitor", "chardev=qmp", *options],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT, preexec_fn=preexec)
        deadline = time.monotonic() + patience
        while subprocess.run(["nbdinfo", "--size", URI], capture_output=True).returncode or not os.path.exists("qmp.sock"):
            if self.process.poll() is not None:
                fail(f"the daemon ended at its start: {self.output()}")
            if time.monotonic() > deadline:
                self.kill()  # or it would keep the lock of the image
                fail(f"the daemon does not answer: {self.output()}")
            time.sleep(0.02)

    def output(self):
        self.log.seek(0)
        return self.log.read()

    def qmp(self, **options):
        return QmpClient("qmp.sock", **options)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        """Asks over QMP; the daemon must end with status 0."""
        self.qmp().command("quit")
        self.expect_end()

    def expect_end(self, timeout=60):
        try:
            status = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            fail(f"the daemon still runs after {timeout} s: {self.output()}")
        if status:
            fail(f"the daemon ended with status {status}: {self.output()}")
