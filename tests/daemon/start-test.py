"""The start of the daemon: to the background, and failing."""
import os
import pathlib
import shutil
import signal
import stat
import subprocess
import time
import unittest

from lib.daemon_test import DAEMON, NBD, QMP, DaemonTest, disk, export, run, uri


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
                (["--chardev", "socket,id=x,path=nowhere/x,server=on,wait=off"], "No such file or directory"),
                (["--chardev", "socket,id=x,path=nowhere/x,server=on,wait=off", "--monitor", "x"],
                 "No such file or directory"),
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

    def test_the_pid_file_of_a_running_daemon_is_refused(self):
        for name in ("disk.img", "second.img"):
            self.make_disk(name)
        second = (disk(filename="second.img"), "--pidfile=daemon.pid")
        first = self.start(disk(), NBD, export(), *QMP)
        for server in ((), ("--nbd-server=addr.type=unix,addr.path=second.sock",)):
            said = self.start_fails(*second, *server)
            self.assertIn(f"dedup-storage-daemon: --pidfile {self.directory}/daemon.pid: Cannot lock pid file: ", said)
            self.assertEqual(pathlib.Path("daemon.pid").read_text(), f"{first.pid}\n")
        self.assertFalse(os.path.exists("second.sock"))
        self.stop(first)

    def test_a_pid_file_that_is_no_regular_file_is_refused_and_stays(self):
        self.make_disk()
        os.mkfifo("fifo")
        said = self.start_fails(disk(), "--pidfile=fifo")
        self.assertIn("--pidfile", said)
        self.assertIn("pid file is not a regular file", said)
        self.assertTrue(os.path.exists("fifo"))

    def test_a_link_to_a_pid_file_stays(self):
        self.make_disk()
        pathlib.Path("old.pid").write_text("1\n")
        os.symlink("old.pid", "link.pid")
        daemon = subprocess.Popen([DAEMON, disk(), *QMP, "--pidfile=link.pid"])
        self.addCleanup(daemon.kill)
        deadline = time.monotonic() + 30
        while pathlib.Path("old.pid").read_text() != f"{daemon.pid}\n":
            self.assertLess(time.monotonic(), deadline, "the daemon does not write its id")
            time.sleep(0.01)
        daemon.send_signal(signal.SIGTERM)
        self.assertEqual(daemon.wait(30), 0)
        self.assertTrue(os.path.islink("link.pid"))
        self.assertFalse(os.path.exists("old.pid"))

    def test_the_pid_file_of_a_dead_daemon_is_taken_over(self):
        self.make_disk()
        first = self.start(disk(), *QMP)
        first.kill()
        first.wait()
        pathlib.Path("daemon.pid").write_text("123456789\n")  # longer than an id
        second = subprocess.Popen([DAEMON, disk(), *QMP, "--pidfile=daemon.pid"])
        self.addCleanup(second.kill)
        deadline = time.monotonic() + 30
        while pathlib.Path("daemon.pid").read_text() != f"{second.pid}\n":
            self.assertLess(time.monotonic(), deadline, "the daemon does not write its id")
            time.sleep(0.01)
        self.stop(second)

    def test_a_pid_file_of_somebody_else_is_not_removed(self):
        self.make_disk()
        daemon = self.start(disk())
        os.unlink("daemon.pid")
        pathlib.Path("daemon.pid").write_text("1\n")
        daemon.send_signal(signal.SIGTERM)
        self.assertEqual(daemon.wait(30), 0)
        self.assertEqual(sorted(os.listdir(".")), ["daemon.log", "daemon.pid", "disk.img"])
        self.assertEqual(pathlib.Path("daemon.pid").read_text(), "1\n")

    def test_qemu_respects_the_pid_file_and_we_respect_that_of_qemu(self):
        if not shutil.which("qemu-storage-daemon"):
            self.skipTest("qemu-storage-daemon is not installed")
        self.make_disk()
        first = self.start(disk())
        self.assertIn("lock", run("qemu-storage-daemon", "--pidfile=daemon.pid").stderr)
        self.stop(first)
        qemu = subprocess.Popen(["qemu-storage-daemon", "--pidfile=daemon.pid"])
        self.addCleanup(qemu.wait)
        self.addCleanup(qemu.kill)
        deadline = time.monotonic() + 30
        while not (os.path.exists("daemon.pid") and os.stat("daemon.pid").st_size):
            self.assertLess(time.monotonic(), deadline, "QEMU's daemon does not get ready")
            time.sleep(0.01)
        self.assertIn("Cannot lock pid file", self.start_fails(disk(), "--pidfile=daemon.pid"))

    def test_a_chardev_without_a_monitor_exists_as_long_as_the_daemon(self):
        self.make_disk()
        daemon = self.start(disk(), *QMP, "--chardev=socket,path=idle.sock,server=on,wait=off,id=idle")
        self.assertTrue(stat.S_ISSOCK(os.stat("idle.sock").st_mode))
        self.assertIn("idle.sock", self.start_fails("--chardev=socket,path=idle.sock,server=on,wait=off,id=idle"))
        self.stop(daemon)
        self.assertFalse(os.path.exists("idle.sock"))

    def test_help_and_version(self):
        self.assertIn("--blockdev", self.succeeds(DAEMON, "--help"))
        self.assertRegex(self.succeeds(DAEMON, "-V"), r"^dedup-storage-daemon version \d+\.\d+\.\d+\n$")


if __name__ == "__main__":
    unittest.main()
