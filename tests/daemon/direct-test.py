"""The plugin in an nbdkit that the user starts."""
import os
import pathlib
import signal
import time
import unittest

from lib.daemon_test import MIB, PLUGIN, SANITIZED, DaemonTest, Monitor, run


@unittest.skipIf(SANITIZED, "nbdkit itself is not built with the sanitizer")
class Direct(DaemonTest):
    def test_an_image_is_served_by_its_path(self):
        self.make_disk(data=b"x" * MIB)
        size = self.succeeds("nbdkit", "-U", "-", PLUGIN, "disk.img", "--run",
                             'nbdinfo --size "$uri" && nbdcopy "$uri" copy')
        self.assertEqual(size.strip(), str(16 * MIB))
        self.assertEqual(pathlib.Path("copy").read_bytes(), pathlib.Path("disk.img").read_bytes())

    def test_filters_of_nbdkit_go_on_top(self):
        self.make_disk(data=b"x" * MIB + b"y" * MIB)
        self.succeeds("nbdkit", "-U", "-", "--filter=offset", PLUGIN, "file=disk.img", "offset=1M", "range=1M",
                      "--run", 'nbdcopy "$uri" copy')
        self.assertEqual(pathlib.Path("copy").read_bytes(), b"y" * MIB)

    def test_a_server_in_the_background_has_qmp_and_relative_names_work(self):
        self.make_disk()
        self.succeeds("nbdkit", "-P", "pid", "-U", "nbd.sock", PLUGIN, "disk.img", "qmp=qmp.sock")
        # nbdkit writes the file after its parent has left.
        deadline = time.monotonic() + 10
        while not (os.path.exists("pid") and os.path.exists("qmp.sock") and pathlib.Path("pid").read_text()):
            self.assertLess(time.monotonic(), deadline, "it does not start")
            time.sleep(0.01)
        pid = int(pathlib.Path("pid").read_text())
        self.addCleanup(lambda: os.path.exists(f"/proc/{pid}") and os.kill(pid, signal.SIGKILL))
        monitor = Monitor()
        self.assertEqual(monitor.command("query-block-exports")[0]["node-name"], "disk")
        monitor.command("quit")
        deadline = time.monotonic() + 10
        while os.path.exists("qmp.sock"):
            self.assertLess(time.monotonic(), deadline, "it does not end")
            time.sleep(0.01)

    def test_errors_are_seen_before_it_goes_to_the_background(self):
        done = run("nbdkit", "-U", "nbd.sock", PLUGIN, "none.img")
        self.assertEqual(done.returncode, 1)
        self.assertIn("none.img", done.stderr)
        self.assertIn("No such file or directory", done.stderr)

    def test_readonly_refuses_writes_and_tolerates_a_second_reader(self):
        self.make_disk()
        pathlib.Path("new").write_bytes(b"n" * 512)
        self.succeeds("nbdkit", "-U", "-", PLUGIN, "disk.img", "readonly=on", "--run",
                      f'nbdkit -U - {PLUGIN} disk.img readonly=on --run \'nbdinfo --size "$uri"\'')
        self.assertNotEqual(run("nbdkit", "-U", "-", PLUGIN, "disk.img", "readonly=on", "--run",
                                'nbdcopy new "$uri"').returncode, 0)


if __name__ == "__main__":
    unittest.main()
