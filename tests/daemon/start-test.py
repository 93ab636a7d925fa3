"""The start of the daemon: to the background, and failing."""
import os
import pathlib
import signal
import stat
import subprocess
import time
import unittest

from support import DAEMON, NBD, QMP, DaemonTest, disk, export, run, uri


class Start(DaemonTest):
    def test_daemonize_returns_when_the_sockets_listen(self):
        self.make_disk()
        # A pipe that the daemon kept open would block here until its end.
        started = run(DAEMON, disk(), NBD, export(), *QMP, "--pidfile=daemon.pid", "--daemonize")
        self.assertEqual(started.returncode, 0, started.stderr)
        pid = int(pathlib.Path("daemon.pid").read_text())
        self.addCleanup(self.end, pid)
        self.assertEqual(stat.S_IMODE(os.stat("qmp.sock").st_mode), 0o600)
        self.succeeds("nbdinfo", "--size", uri())
        time.sleep(0.1)  # the process that started it has ended by now
        self.succeeds("nbdinfo", "--size", uri())

    def test_daemonize_without_an_nbd_server(self):
        self.make_disk()
        self.succeeds(DAEMON, disk(), *QMP, "--pidfile=daemon.pid", "--daemonize")
        self.end(int(pathlib.Path("daemon.pid").read_text()))

    def end(self, pid):
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + 10
        while os.path.exists("daemon.pid"):
            self.assertLess(time.monotonic(), deadline, "the daemon does not end")
            time.sleep(0.01)

    def test_daemonize_shows_the_error_and_fails(self):
        for server in ((NBD,), ()):
            said = self.start_fails(disk(filename="none.img"), *server, "--daemonize")
            self.assertIn("dedup-storage-daemon: --blockdev driver=raw,node-name=d", said)
            self.assertIn("No such file or directory", said)

    def test_the_daemon_outlives_the_shell_that_started_it(self):
        self.make_disk()
        command = " ".join(f"'{part}'" for part in (DAEMON, disk(), NBD, export(), "--pidfile=daemon.pid"))
        subprocess.run(["sh", "-c", f"{command} >log 2>&1 & while ! [ -e daemon.pid ]; do sleep 0.01; done"],
                       check=True, timeout=30)
        self.addCleanup(self.end, int(pathlib.Path("daemon.pid").read_text()))
        time.sleep(0.1)
        self.succeeds("nbdinfo", "--size", uri())

    def test_errors_name_the_option(self):
        self.make_disk()
        for options, expected in [
                (["--blockdev", "driver=raw,node-name=d,file.filename=disk.img,nonsense=1"], "nonsense"),
                (["--blockdev", "{broken"], "JSON"),
                (["--export", "type=nbd,id=e,node-name=absent"], "absent"),
                (["--export", "type=vhost,id=e,node-name=d"], "vhost"),
                (["--monitor", "chardev=absent"], "--monitor chardev=absent: chardev 'absent' not found"),
                (["--chardev", "pty,id=x"], "pty"),
                (["--object", "secret,id=x"], "secret"),
                (["--module", "/nonexistent.so"], "/nonexistent.so"),
                (["--nbd-server", "addr.type=unix"], "addr.path"),
                (["--nbd-server", "addr.type=unix,addr.path=s,tls-creds=t"], "No TLS credentials with id 't'")]:
            said = self.start_fails(*options)
            self.assertTrue(said.startswith(f"dedup-storage-daemon: {options[0]} {options[1]}: "), said)
            self.assertIn(expected, said)

    def test_an_image_in_use_is_refused(self):
        self.make_disk()
        self.start(disk(), NBD, export())
        self.assertIn("lock", self.start_fails(disk(), "--nbd-server=addr.type=unix,addr.path=second.sock"))

    def test_an_address_in_use_is_refused(self):
        self.make_disk()
        self.make_disk("second.img")
        self.start(disk(), NBD, export())
        self.assertIn("Address already in use", self.start_fails(disk(filename="second.img"), NBD))

    def test_a_failed_start_leaves_no_socket(self):
        self.make_disk()
        for server in ((), (NBD,)):
            self.start_fails(disk(), *server, *QMP, "--pidfile=nowhere/pid")
            self.assertEqual(os.listdir("."), ["disk.img"])

    def test_help_and_version(self):
        self.assertIn("--blockdev", self.succeeds(DAEMON, "--help"))
        self.assertRegex(self.succeeds(DAEMON, "-V"), r"^dedup-storage-daemon version \d+\.\d+\.\d+\n$")


if __name__ == "__main__":
    unittest.main()
