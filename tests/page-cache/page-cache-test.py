"""Write-back errors of the kernel: no flush succeeds over lost data, not even after a restart."""
import json
import os
import pty
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import unittest

from lib.daemon_test import BUILD, NBD, SANITIZED, DaemonTest, disk, export
from lib.nbd_client import NbdClient
from thin_disk import BLOCK, ThinDisk, why_not

IO = BUILD / "block" / "tools" / "dedup-io"
IMG = BUILD / "block" / "tools" / "dedup-img"
IMAGE = "mounted/i"
DEDUP = "dedup=sha256,cluster_size=4k"
CLUSTER = 4096


class Session:
    """What a run of dedup-io said."""

    def __init__(self, image, *commands, image_format="qcow2", program=IO, options=()):
        words = [word for command in commands for word in ("-c", command)]
        done = subprocess.run([str(program), *options, "-f", image_format, *words, image], capture_output=True, text=True,
                              timeout=60, check=False)
        self.good = done.returncode == 0
        self.text = done.stdout + done.stderr


class PageCacheTest(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="page-cache-")
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(self.directory)

    def thin_disk(self, bare=False):
        self.thin = ThinDisk(bare)
        self.addCleanup(self.thin.remove)

    def succeeds(self, *arguments, **options):
        session = Session(*arguments, **options)
        self.assertTrue(session.good, session.text)
        return session

    def fails(self, *arguments, **options):
        session = Session(*arguments, **options)
        self.assertFalse(session.good, session.text)
        return session

    @staticmethod
    def start(image, *commands, image_format="qcow2"):
        """A session that has done its reads and writes."""
        words = [word for command in commands for word in ("-c", command)]
        terminal, its_end = pty.openpty()  # else lines would come when all is over
        process = subprocess.Popen([str(IO), "-f", image_format, *words, image], stdout=its_end, stderr=its_end)
        os.close(its_end)
        lines = os.fdopen(terminal, encoding="utf-8")
        for _ in range(2 * sum(command.startswith(("read", "write")) for command in commands)):
            lines.readline()
        lines.close()
        return process

    def killed(self, image, *commands, image_format="qcow2"):
        """A session that is killed after its last command."""
        process = self.start(image, *commands, "sleep 60000", image_format=image_format)
        process.kill()
        process.wait()

    def disk_holds(self, image, *patterns, image_format="qcow2"):
        """By stock QEMU, once the page cache is gone."""
        self.thin.drop_page_cache()
        read = Session(image, *(f"read -P {pattern} {offset} 4k" for pattern, offset in patterns), image_format=image_format,
                       program="qemu-io", options=("-r", "-U"))
        self.assertNotIn("Pattern verification failed", read.text)
        self.assertTrue(read.good, read.text)


class ThinImage(PageCacheTest):
    """A deduplicated image on such a disk."""

    def make_image(self, *commands):
        self.thin_disk()
        subprocess.run([str(IMG), "create", "-q", "-f", "qcow2", "-o", DEDUP, IMAGE, "4M"], check=True)
        self.succeeds(IMAGE, "write -P 0x43 0 4k", *commands)

    @staticmethod
    def host_of(guest):
        out = subprocess.run(["qemu-img", "map", "-U", "--output=json", "-f", "qcow2", IMAGE], capture_output=True, text=True,
                             check=True).stdout
        return next(entry["offset"] for entry in json.loads(out) if entry["start"] == guest)

    @staticmethod
    def l2_table():
        with open(IMAGE, "rb") as image:
            image.seek(40)
            image.seek(int.from_bytes(image.read(8), "big"))
            return int.from_bytes(image.read(8), "big") & ((1 << 56) - 512)

    def lose_the_write(self, unwritable, write):
        self.thin.make_unwritable("i", [unwritable])
        self.fails(IMAGE, write, "flush")
        self.thin.recover()


class Deduplicated(ThinImage):
    """A flush fails, the program ends, the disk recovers, the program starts again."""

    def test_the_same_content_at_the_same_place_is_written(self):
        self.make_image()
        self.lose_the_write(self.host_of(0), "write -P 0x44 0 4k")
        self.succeeds(IMAGE, "read -P 0x44 0 4k", "write -P 0x44 0 4k", "flush")
        self.disk_holds(IMAGE, (0x44, 0))

    def test_the_same_content_at_another_place_is_written(self):
        self.make_image()
        self.lose_the_write(self.host_of(0), "write -P 0x44 0 4k")
        self.succeeds(IMAGE, "write -P 0x44 512k 4k", "flush")
        self.disk_holds(IMAGE, (0x44, 512 << 10))

    def test_a_session_in_between_makes_no_difference(self):
        self.make_image()
        self.lose_the_write(self.host_of(0), "write -P 0x44 0 4k")
        self.succeeds(IMAGE, "write -P 0x45 1M 4k", "flush")
        self.succeeds(IMAGE, "write -P 0x44 512k 4k", "write -P 0x44 0 4k", "flush")
        self.disk_holds(IMAGE, (0x44, 0), (0x44, 512 << 10), (0x45, 1 << 20))

    def test_the_scan_makes_nothing_of_lost_content(self):
        self.make_image()
        subprocess.run([str(IMG), "amend", "-f", "qcow2", "-o", "dedup=off", IMAGE], check=True)
        self.lose_the_write(self.host_of(0), "write -P 0x44 0 4k")
        subprocess.run([str(IMG), "amend", "-f", "qcow2", "-o", "dedup=sha256", IMAGE], check=True)
        self.succeeds(IMAGE, "sleep 1000", "write -P 0x44 512k 4k", "flush")
        self.disk_holds(IMAGE, (0x44, 512 << 10))

    def test_a_lost_l2_table_is_written_again(self):
        self.make_image()
        self.lose_the_write(self.l2_table(), "write -P 0x44 8k 4k")
        self.succeeds(IMAGE, "write -P 0x44 8k 4k", "flush")
        self.disk_holds(IMAGE, (0x43, 0), (0x44, 8 << 10))


class EveryBlock(ThinImage):
    """Each block of the image in turn is the one that the disk fails to write."""

    SESSION = ("write -P 0x44 0 4k", "write -P 0x44 8k 4k", "write -P 0x45 3M 4k", "flush")

    def test_what_is_flushed_in_the_next_session_is_on_the_disk(self):
        self.make_image("write -P 0x41 16k 4k", "write -P 0x41 20k 4k")
        shutil.copyfile(IMAGE, "template")
        lost = 0
        for block in range((os.path.getsize("template") + CLUSTER - 1) // CLUSTER):
            with self.subTest(block=block):
                shutil.copyfile("template", IMAGE)
                self.thin.make_unwritable("i", [block * CLUSTER])
                failed = not Session(IMAGE, *self.SESSION).good
                self.thin.recover()
                if failed:  # else the disk has lost what nobody wrote
                    lost += 1
                    self.succeeds(IMAGE, *self.SESSION)
                    self.disk_holds(IMAGE, (0x44, 0), (0x44, 8 << 10), (0x45, 3 << 20), (0x41, 16 << 10), (0x41, 20 << 10))
                    check = subprocess.run(["qemu-img", "check", IMAGE], capture_output=True, text=True, check=False)
                    self.assertNotIn("ERROR", check.stdout + check.stderr)
        self.assertGreater(lost, 3)


class AfterAKill(PageCacheTest):
    """The first flush of a session promises what the session before wrote."""

    def check(self, image_format, *create):
        self.thin_disk()
        subprocess.run([str(IMG), "create", "-q", "-f", image_format, *create, IMAGE, "4M"], check=True)
        self.succeeds(IMAGE, "write -P 1 0 4k", "flush", image_format=image_format)
        self.killed(IMAGE, "write -P 2 0 4k", image_format=image_format)
        process = self.start(IMAGE, "flush", "read -P 2 0 4k", "sleep 60000", image_format=image_format)
        with self.thin.after_power_cut():
            read = Session("cut/i", "read -P 2 0 4k", image_format=image_format, program="qemu-io", options=("-r",))
        process.kill()
        process.wait()
        self.assertTrue(read.good, read.text)

    def test_raw(self):
        self.check("raw")

    def test_qcow2(self):
        self.check("qcow2", "-o", "cluster_size=4k")


class Raw(PageCacheTest):
    def test_a_failed_fua_write_is_remembered(self):
        self.thin_disk(bare=True)
        self.thin.make_unwritable("", [8 << 20])
        session = self.fails(self.thin.loop, "write -P 1 8M 4k", "write -f -P 2 0 4k", "write -f -P 2 4k 4k", "flush",
                             image_format="raw")
        self.assertEqual(re.findall("(write|flush) failed: ", session.text), ["write", "write", "flush", "flush"], session.text)
        self.thin.recover()

    def test_what_somebody_else_was_told_is_told_here_too(self):
        self.thin_disk(bare=True)
        self.thin.make_unwritable("", [8 << 20])
        process = self.start(self.thin.loop, "write -P 1 8M 4k", "sleep 2000", "flush", image_format="raw")
        self.assertNotEqual(subprocess.run(["sync", self.thin.loop], capture_output=True, check=False).returncode, 0)
        self.thin.recover()
        self.assertNotEqual(process.wait(timeout=30), 0, "the flush succeeded")


@unittest.skipIf(SANITIZED, "nbdkit itself is not built with the sanitizer")
class TwoClients(DaemonTest):
    def test_of_flushes_at_once_all_fail(self):
        thin = ThinDisk(bare=True)
        self.addCleanup(thin.remove)
        thin.make_unwritable("", [8 << 20])
        daemon = self.start(disk(filename=thin.loop), NBD, export())
        clients = [NbdClient() for _ in range(4)]
        clients[0].write(8 << 20, b"x" * BLOCK)
        errors = []
        threads = [threading.Thread(target=lambda client=client: errors.append(client.flush())) for client in clients]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertNotIn(0, errors, "a flush succeeded over lost data")
        thin.recover()
        for client in clients:
            self.assertNotEqual(client.flush(), 0)
            client.close()
        daemon.kill()
        daemon.wait()


if __name__ == "__main__":
    reason = why_not()
    if reason:
        print("skipped:", reason)
        sys.exit(77)
    unittest.main()
